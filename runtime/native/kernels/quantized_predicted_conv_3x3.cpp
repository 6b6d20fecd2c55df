// QuantizedPredictedConv with p = 3: PredictedConv whose predictor multiplies 8-bit integers.
//
// As in predicted_conv_3x3.cpp a tile of h is copied into a padded strip, here quantized to words, and the
// nine weights of a run of pixels of one channel are accumulated in registers and applied to x on the spot.
// The accumulators are exact, so every instruction set gives the same predicted weights.

#include "kernels/integer_dot.h"
#include "kernels/kernels.h"
#include "kernels/padded_strip.h"
#include "kernels/predict.h"
#include "kernels/quantize.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

// Words of one pixel of h.
int64_t groups_of(const QuantizedPredictedConv& conv) {
  return (conv.features + kDotValues - 1) / kDotValues;
}

// sum[v] += predicted weight * x over the taps [first, first + T), in units of the channel's step. h and x
// point to the first pixel in their padded planes.
template <int T, int V>
LRT_INLINE void run_taps(const QuantizedPredictedConv& conv, const PaddedStrip& strip, int64_t channel,
                         int first, const int32_t* h, const float* x, Vector (&sum)[V]) {
  const int64_t groups = groups_of(conv);
  const int32_t* weight = conv.weight + channel * groups * 9 * kTaps + first;
  const int32_t* offset = conv.offset + channel * kTaps + first;
  const float* bias = conv.bias + channel * kTaps + first;
  const int64_t stride = strip.stride;
  IntVector acc[T][V];
#pragma GCC unroll 9
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[t][v] = broadcast_word(offset[t]);
  }
  for (int64_t group = 0; group < groups; ++group, h += strip.plane) {
    const int32_t* row = h;
    // Unrolled, this loop needs more registers than there are.
#pragma GCC unroll 1
    for (int dy = 0; dy < 3; ++dy, row += stride) {
#pragma GCC unroll 1
      for (int dx = 0; dx < 3; ++dx, weight += kTaps) accumulate_words<T, V>(acc, row + dx, weight);
    }
  }
#pragma GCC unroll 9
  for (int t = 0; t < T; ++t) {
    const float* neighbor = x + offset_of(stride, first + t);
    const Vector b = broadcast(bias[t]);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] += (to_float(acc[t][v]) + b) * load(neighbor + v * kLanes);
  }
}

// V vectors of pixels of one channel.
template <int V>
void run_pixels(const QuantizedPredictedConv& conv, const PaddedStrip& strip, int64_t channel,
                const int32_t* h, const float* x, float* y) {
  Vector sum[V] = {};
#pragma GCC unroll 1
  for (int first = 0; first < kTaps; first += kTapsAtOnce) {
    run_taps<kTapsAtOnce, V>(conv, strip, channel, first, h, x, sum);
  }
  const Vector step = broadcast(conv.step[channel]);
#pragma GCC unroll 3
  for (int v = 0; v < V; ++v) store(y + v * kLanes, step * sum[v]);
}

}  // namespace

DotFormat dot_format() { return {kDotValues, kDotOrigin}; }

size_t quantized_predicted_conv_3x3_scratch(const QuantizedPredictedConv& conv, const Tile& tile) {
  const PaddedStrip strip = make_padded_strip(conv.height, conv.width, tile);
  return static_cast<size_t>(strip.plane + strip.pixels + strip.plane * groups_of(conv)) * sizeof(float);
}

void quantized_predicted_conv_3x3(const QuantizedPredictedConv& conv, int64_t image, const Tile& tile,
                                  float* scratch) {
  const PaddedStrip strip = make_padded_strip(conv.height, conv.width, tile);
  const Quantizer quantizer = make_quantizer(conv.h_scale, conv.h_zero_point);
  const int64_t plane_size = conv.height * conv.width;
  float* x = scratch;
  float* y = x + strip.plane;
  int32_t* h = reinterpret_cast<int32_t*>(y + strip.pixels);
  for (int64_t group = 0; group < groups_of(conv); ++group) {
    const int64_t first = group * kDotValues;
    const int64_t planes = smaller<int64_t>(kDotValues, conv.features - first);
    const float* from = conv.h + (image * conv.features + first) * plane_size;
    pad_plane(strip, quantizer.zero, h + group * strip.plane, [&](int64_t at, int64_t count, int32_t* line) {
      quantize_run(quantizer, from + at, plane_size, planes, count, line);
    });
  }
  run_channels(conv, image, tile, strip, x, y, [&](auto vectors, int64_t channel, int64_t p) {
    run_pixels<decltype(vectors)::kCount>(conv, strip, channel, h + p, x + p, y + p);
  });
}

}  // namespace layoutrt::kernels::LRT_ISA
