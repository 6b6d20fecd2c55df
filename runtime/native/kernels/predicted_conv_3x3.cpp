// PredictedConv with p = 3: a convolution whose outputs are the kernels of a SpatiallyVaryingConv, never
// stored.
//
// A tile of h is copied into a padded strip (padded_strip.h). For one channel and a run of pixels the nine
// predicted weights are accumulated in registers, then applied to x on the spot. The strip stays in the
// second-level cache while the channels pass over it; the packed weights of one channel are small.

#include "kernels/kernels.h"
#include "kernels/padded_strip.h"
#include "kernels/predict.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

// sum[v] += predicted weight * x over the taps [first, first + T). h and x point to the first pixel in their
// padded planes.
template <int T, int V>
LRT_INLINE void run_taps(const PredictedConv& conv, const PaddedStrip& strip, int64_t channel, int first,
                         const float* h, const float* x, Vector (&sum)[V]) {
  const int64_t inner = conv.features * 9;
  const float* weight = conv.weight + (channel * kTaps + first) * inner;
  const float* bias = conv.bias + channel * kTaps + first;
  const int64_t stride = strip.stride;
  Vector acc[T][V];
#pragma GCC unroll 9
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[t][v] = broadcast(bias[t]);
  }
  for (int64_t feature = 0; feature < conv.features; ++feature, h += strip.plane) {
    const float* row = h;
    // Unrolled, this loop needs more registers than there are.
#pragma GCC unroll 1
    for (int dy = 0; dy < 3; ++dy, row += stride) {
#pragma GCC unroll 1
      for (int dx = 0; dx < 3; ++dx, ++weight) accumulate<T, V>(acc, row + dx, weight, inner);
    }
  }
#pragma GCC unroll 9
  for (int t = 0; t < T; ++t) {
    const float* neighbor = x + offset_of(stride, first + t);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] += acc[t][v] * load(neighbor + v * kLanes);
  }
}

// V vectors of pixels of one channel.
template <int V>
void run_pixels(const PredictedConv& conv, const PaddedStrip& strip, int64_t channel, const float* h,
                const float* x, float* y) {
  Vector sum[V] = {};
#pragma GCC unroll 1
  for (int first = 0; first < kTaps; first += kTapsAtOnce) {
    run_taps<kTapsAtOnce, V>(conv, strip, channel, first, h, x, sum);
  }
#pragma GCC unroll 3
  for (int v = 0; v < V; ++v) store(y + v * kLanes, sum[v]);
}

}  // namespace

size_t predicted_conv_3x3_scratch(const PredictedConv& conv, const Tile& tile) {
  const PaddedStrip strip = make_padded_strip(conv.height, conv.width, tile);
  return static_cast<size_t>(conv.features * strip.plane + strip.plane + strip.pixels) * sizeof(float);
}

void predicted_conv_3x3(const PredictedConv& conv, int64_t image, const Tile& tile, float* scratch) {
  const PaddedStrip strip = make_padded_strip(conv.height, conv.width, tile);
  const int64_t plane_size = conv.height * conv.width;
  float* h = scratch;
  float* x = h + conv.features * strip.plane;
  float* y = x + strip.plane;
  for (int64_t feature = 0; feature < conv.features; ++feature) {
    const float* from = conv.h + (image * conv.features + feature) * plane_size;
    pad_affine_plane(strip, from, nullptr, nullptr, h + feature * strip.plane);
  }
  run_channels(conv, image, tile, strip, x, y, [&](auto vectors, int64_t channel, int64_t p) {
    run_pixels<decltype(vectors)::kCount>(conv, strip, channel, h + p, x + p, y + p);
  });
}

}  // namespace layoutrt::kernels::LRT_ISA
