// PredictedConv with p = 3: a convolution whose outputs are the kernels of a SpatiallyVaryingConv, never
// stored.
//
// A tile of h is copied into a padded strip, so that every tap of every pixel is a plain offset and rows
// follow each other without edges: the few results at the pads are computed and dropped. For one channel and
// a run of pixels the nine predicted weights are accumulated in registers, then applied to x on the spot. The
// strip stays in the second-level cache while the channels pass over it; the packed weights of one channel
// are small.

#include "kernels/kernels.h"
#include "kernels/predict.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

struct Strip {
  int64_t rows;      // of the tile
  int64_t columns;   // of the tile
  int64_t stride;    // distance between rows: where the tile is as wide as the image, rows share their pads
  int64_t pixels;    // rows x stride, rounded up to whole vectors
  int64_t plane;     // size of one feature or channel: with a row of halo above and below
  int64_t features;  // floats of all features
};

Strip make_strip(const PredictedConv& conv, const Tile& tile) {
  Strip strip;
  strip.rows = tile.row_end - tile.row_begin;
  strip.columns = tile.column_end - tile.column_begin;
  strip.stride = strip.columns + (strip.columns == conv.width ? 1 : 2);
  strip.pixels = round_up(strip.rows * strip.stride, kLanes);
  // One pad before the first row, and whole vectors beyond the last.
  strip.plane = round_up(strip.pixels + 2 * strip.stride + 2, kLanes);
  strip.features = strip.plane * conv.features;
  return strip;
}

// to[1 + r * stride + j] = scale * from[first_row + r, first_column + j] + shift inside the image, 0 outside,
// for the tile's rows and columns with a halo of one.
void pad_plane(const PredictedConv& conv, const Tile& tile, const Strip& strip, const float* from,
               const float* scale, const float* shift, float* to) {
  const int64_t left = tile.column_begin > 0 ? 1 : 0;
  const int64_t right = tile.column_end < conv.width ? 1 : 0;
  for (int64_t r = 0; r < strip.rows + 2; ++r) {
    const int64_t row = tile.row_begin + r - 1;
    float* line = to + r * strip.stride;
    if (row < 0 || row >= conv.height) {
      for (int64_t j = 0; j < strip.columns + 2; ++j) line[j] = 0.0f;
      continue;
    }
    line[0] = 0.0f;
    line[strip.columns + 1] = 0.0f;
    const float* source = from + row * conv.width + tile.column_begin - 1;
    if (scale != nullptr) {
      const float a = *scale;
      const float b = *shift;
      for (int64_t j = 1 - left; j < strip.columns + 1 + right; ++j) line[j] = a * source[j] + b;
    } else {
      for (int64_t j = 1 - left; j < strip.columns + 1 + right; ++j) line[j] = source[j];
    }
  }
  for (int64_t p = (strip.rows + 1) * strip.stride + strip.columns + 2; p < strip.plane; ++p) to[p] = 0.0f;
}

// Offset in a padded plane of tap (dy, dx) of a 3x3 window around pixel 0.
LRT_INLINE int64_t offset_of(int64_t stride, int tap) { return tap / 3 * stride + tap % 3; }

// sum[v] += predicted weight * x over the taps [first, first + T). h and x point to the first pixel in their
// padded planes.
template <int T, int V>
LRT_INLINE void run_taps(const PredictedConv& conv, const Strip& strip, int64_t channel, int first,
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
    const float* neighbour = x + offset_of(stride, first + t);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] += acc[t][v] * load(neighbour + v * kLanes);
  }
}

// V vectors of pixels of one channel.
template <int V>
void run_pixels(const PredictedConv& conv, const Strip& strip, int64_t channel, const float* h,
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
  const Strip strip = make_strip(conv, tile);
  return static_cast<size_t>(strip.features + strip.plane + strip.pixels) * sizeof(float);
}

void predicted_conv_3x3(const PredictedConv& conv, int64_t image, const Tile& tile, float* scratch) {
  const Strip strip = make_strip(conv, tile);
  const int64_t plane_size = conv.height * conv.width;
  float* h = scratch;
  float* x = h + strip.features;
  float* y = x + strip.plane;
  for (int64_t feature = 0; feature < conv.features; ++feature) {
    pad_plane(conv, tile, strip, conv.h + (image * conv.features + feature) * plane_size, nullptr, nullptr,
              h + feature * strip.plane);
  }
  for (int64_t c = tile.channel_begin; c < tile.channel_end; ++c) {
    const int64_t plane = (image * conv.channels + c) * plane_size;
    const bool affine = conv.scale != nullptr;
    pad_plane(conv, tile, strip, conv.x + plane, affine ? conv.scale + c : nullptr,
              affine ? conv.shift + c : nullptr, x);
    int64_t p = 0;
    for (; p + kVectors * kLanes <= strip.pixels; p += kVectors * kLanes) {
      run_pixels<kVectors>(conv, strip, c, h + p, x + p, y + p);
    }
    for (; p + 2 * kLanes <= strip.pixels; p += 2 * kLanes) {
      run_pixels<2>(conv, strip, c, h + p, x + p, y + p);
    }
    for (; p < strip.pixels; p += kLanes) run_pixels<1>(conv, strip, c, h + p, x + p, y + p);
    for (int64_t r = 0; r < strip.rows; ++r) {
      float* to = conv.y + plane + (tile.row_begin + r) * conv.width + tile.column_begin;
      __builtin_memcpy(to, y + r * strip.stride, static_cast<size_t>(strip.columns) * sizeof(float));
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
