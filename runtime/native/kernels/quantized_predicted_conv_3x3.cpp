// QuantizedPredictedConv with p = 3: PredictedConv whose predictor multiplies 8-bit integers.
//
// As in predicted_conv_3x3.cpp a tile of h is copied into a padded strip, here quantised to words, and the
// nine weights of a run of pixels of one channel are accumulated in registers and applied to x on the spot.
// The accumulators are exact, so every instruction set gives the same predicted weights.

#include "kernels/integer_dot.h"
#include "kernels/kernels.h"
#include "kernels/predict.h"
#include "kernels/quantize.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

struct Strip {
  int64_t rows;     // of the tile
  int64_t columns;  // of the tile
  int64_t stride;   // distance between rows: where the tile is as wide as the image, rows share their pads
  int64_t pixels;   // rows x stride, rounded up to whole vectors
  int64_t plane;    // size of one plane with a row of halo above and below
  int64_t groups;   // words of one pixel
};

Strip make_strip(const QuantizedPredictedConv& conv, const Tile& tile) {
  Strip strip;
  strip.rows = tile.row_end - tile.row_begin;
  strip.columns = tile.column_end - tile.column_begin;
  strip.stride = strip.columns + (strip.columns == conv.width ? 1 : 2);
  strip.pixels = round_up(strip.rows * strip.stride, kLanes);
  // One pad before the first row, and whole vectors beyond the last.
  strip.plane = round_up(strip.pixels + 2 * strip.stride + 2, kLanes);
  strip.groups = (conv.features + kDotValues - 1) / kDotValues;
  return strip;
}

// The columns of a strip's row that lie inside the image.
struct Inside {
  int64_t begin, end;
};

Inside inside_columns(int64_t width, const Tile& tile) {
  const int64_t columns = tile.column_end - tile.column_begin;
  return {tile.column_begin > 0 ? 0 : 1, columns + 1 + (tile.column_end < width ? 1 : 0)};
}

// to[r * stride + 1 + j] = scale * x[first_row + r, first_column + j] + shift inside the image, 0 outside,
// for the tile's rows and columns with a halo of one.
void pad_plane(const QuantizedPredictedConv& conv, const Tile& tile, const Strip& strip, const float* x,
               float scale, float shift, float* to) {
  const Inside inside = inside_columns(conv.width, tile);
  for (int64_t r = 0; r <= strip.rows + 1; ++r) {
    const int64_t row = tile.row_begin + r - 1;
    float* line = to + r * strip.stride;
    if (row < 0 || row >= conv.height) {
      for (int64_t j = 0; j < strip.columns + 2; ++j) line[j] = 0.0f;
      continue;
    }
    line[0] = 0.0f;
    line[strip.columns + 1] = 0.0f;
    const float* source = x + row * conv.width + tile.column_begin - 1;
    for (int64_t j = inside.begin; j < inside.end; ++j) line[j] = scale * source[j] + shift;
  }
  for (int64_t p = (strip.rows + 1) * strip.stride + strip.columns + 2; p < strip.plane; ++p) to[p] = 0.0f;
}

// The same of one group of features, quantised.
void quantize_plane(const QuantizedPredictedConv& conv, const Quantizer& quantizer, const Tile& tile,
                    const Strip& strip, const float* h, int64_t planes, int32_t* to) {
  const Inside inside = inside_columns(conv.width, tile);
  for (int64_t r = 0; r <= strip.rows + 1; ++r) {
    const int64_t row = tile.row_begin + r - 1;
    int32_t* line = to + r * strip.stride;
    if (row < 0 || row >= conv.height) {
      for (int64_t j = 0; j < strip.columns + 2; ++j) line[j] = quantizer.zero;
      continue;
    }
    line[0] = quantizer.zero;
    line[strip.columns + 1] = quantizer.zero;
    const float* source = h + row * conv.width + tile.column_begin - 1;
    quantize_run(quantizer, source + inside.begin, conv.height * conv.width, planes,
                 inside.end - inside.begin, line + inside.begin);
  }
  for (int64_t p = (strip.rows + 1) * strip.stride + strip.columns + 2; p < strip.plane; ++p)
    to[p] = quantizer.zero;
}

// Offset in a padded plane of tap (dy, dx) of a 3x3 window around pixel 0.
LRT_INLINE int64_t offset_of(int64_t stride, int tap) { return tap / 3 * stride + tap % 3; }

// sum[v] += predicted weight * x over the taps [first, first + T), in units of the channel's step. h and x
// point to the first pixel in their padded planes.
template <int T, int V>
LRT_INLINE void run_taps(const QuantizedPredictedConv& conv, const Strip& strip, int64_t channel, int first,
                         const int32_t* h, const float* x, Vector (&sum)[V]) {
  const int32_t* weight = conv.weight + channel * strip.groups * 9 * kTaps + first;
  const int32_t* offset = conv.offset + channel * kTaps + first;
  const float* bias = conv.bias + channel * kTaps + first;
  const int64_t stride = strip.stride;
  IntVector acc[T][V];
#pragma GCC unroll 9
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[t][v] = broadcast_word(offset[t]);
  }
  for (int64_t group = 0; group < strip.groups; ++group, h += strip.plane) {
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
    const float* neighbour = x + offset_of(stride, first + t);
    const Vector b = broadcast(bias[t]);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] += (to_float(acc[t][v]) + b) * load(neighbour + v * kLanes);
  }
}

// V vectors of pixels of one channel.
template <int V>
void run_pixels(const QuantizedPredictedConv& conv, const Strip& strip, int64_t channel, const int32_t* h,
                const float* x, float* y) {
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
  const Strip strip = make_strip(conv, tile);
  return static_cast<size_t>(strip.plane + strip.pixels + strip.plane * strip.groups) * sizeof(float);
}

void quantized_predicted_conv_3x3(const QuantizedPredictedConv& conv, int64_t image, const Tile& tile,
                                  float* scratch) {
  const Strip strip = make_strip(conv, tile);
  const Quantizer quantizer = make_quantizer(conv.h_scale, conv.h_zero_point);
  const int64_t plane_size = conv.height * conv.width;
  float* x = scratch;
  float* y = x + strip.plane;
  int32_t* h = reinterpret_cast<int32_t*>(y + strip.pixels);
  for (int64_t group = 0; group < strip.groups; ++group) {
    const int64_t first = group * kDotValues;
    quantize_plane(conv, quantizer, tile, strip, conv.h + (image * conv.features + first) * plane_size,
                   smaller<int64_t>(kDotValues, conv.features - first), h + group * strip.plane);
  }
  for (int64_t c = tile.channel_begin; c < tile.channel_end; ++c) {
    const int64_t plane = (image * conv.channels + c) * plane_size;
    const bool affine = conv.scale != nullptr;
    pad_plane(conv, tile, strip, conv.x + plane, affine ? conv.scale[c] : 1.0f, affine ? conv.shift[c] : 0.0f,
              x);
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
