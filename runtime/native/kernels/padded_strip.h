// A tile of an image in padded planes, in which every tap of a 3x3 window around every pixel is a plain
// offset and rows follow each other without edges: the few results at the pads are computed and dropped.
//
// All of it is inlined: a strip whose address is passed on stays in memory, which slows down the loops over
// taps where there are 16 registers.
#pragma once

#include "kernels/kernels.h"
#include "kernels/predict.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {

struct PaddedStrip {
  int64_t height;        // of the image
  int64_t width;         // of the image
  int64_t row_begin;     // of the tile
  int64_t column_begin;  // of the tile
  int64_t rows;          // of the tile
  int64_t columns;       // of the tile
  int64_t stride;        // distance between rows; those of a tile as wide as the image share their pads
  int64_t pixels;        // rows x stride, rounded up to whole vectors
  int64_t plane;         // size of one padded plane: with a row of halo above and below
};

LRT_INLINE PaddedStrip make_padded_strip(int64_t height, int64_t width, const Tile& tile) {
  PaddedStrip strip;
  strip.height = height;
  strip.width = width;
  strip.row_begin = tile.row_begin;
  strip.column_begin = tile.column_begin;
  strip.rows = tile.row_end - tile.row_begin;
  strip.columns = tile.column_end - tile.column_begin;
  strip.stride = strip.columns + (strip.columns == width ? 1 : 2);
  strip.pixels = round_up(strip.rows * strip.stride, kLanes);
  // One pad before the first row, and whole vectors beyond the last.
  strip.plane = round_up(strip.pixels + 2 * strip.stride + 2, kLanes);
  return strip;
}

// Offset in a padded plane of tap (dy, dx) of a 3x3 window around pixel 0.
LRT_INLINE int64_t offset_of(int64_t stride, int tap) { return tap / 3 * stride + tap % 3; }

// to[r * stride + 1 + j] = the value at [first_row - 1 + r, first_column + j] inside the image, zero outside,
// for the tile's rows and columns with a halo of one. fill_run(at, count, line) writes to line the values of
// `count` pixels of a row, the first of which is pixel `at` of the image.
template <class Value, class FillRun>
LRT_INLINE void pad_plane(const PaddedStrip& strip, Value zero, Value* to, const FillRun& fill_run) {
  const int64_t begin = strip.column_begin > 0 ? 0 : 1;
  const int64_t end = strip.columns + (strip.column_begin + strip.columns < strip.width ? 2 : 1);
  for (int64_t r = 0; r < strip.rows + 2; ++r) {
    const int64_t row = strip.row_begin + r - 1;
    Value* line = to + r * strip.stride;
    if (row < 0 || row >= strip.height) {
      for (int64_t j = 0; j < strip.columns + 2; ++j) line[j] = zero;
      continue;
    }
    line[0] = zero;
    line[strip.columns + 1] = zero;
    fill_run(row * strip.width + strip.column_begin - 1 + begin, end - begin, line + begin);
  }
  for (int64_t p = (strip.rows + 1) * strip.stride + strip.columns + 2; p < strip.plane; ++p) to[p] = zero;
}

// The plane of *scale * from + *shift, or of `from` where scale is null.
LRT_INLINE void pad_affine_plane(const PaddedStrip& strip, const float* from, const float* scale,
                                 const float* shift, float* to) {
  pad_plane(strip, 0.0f, to, [&](int64_t at, int64_t count, float* line) {
    const float* source = from + at;
    if (scale != nullptr) {
      const float a = *scale;
      const float b = *shift;
      for (int64_t j = 0; j < count; ++j) line[j] = a * source[j] + b;
    } else {
      for (int64_t j = 0; j < count; ++j) line[j] = source[j];
    }
  });
}

// A number of vectors, as an argument.
template <int V>
struct Vectors {
  static constexpr int kCount = V;
};

// Computes the tile's channels of conv.y one by one: pads the channel's plane of conv.x, with the norm folded
// into it, to x [strip.plane]; has run_pixels(vectors, channel, p) write every run of whole vectors of pixels
// from p on to y [strip.pixels]; and copies the rows back without their pads.
template <class Conv, class RunPixels>
LRT_INLINE void run_channels(const Conv& conv, int64_t image, const Tile& tile, const PaddedStrip& strip,
                             float* x, float* y, const RunPixels& run_pixels) {
  for (int64_t c = tile.channel_begin; c < tile.channel_end; ++c) {
    const int64_t plane = (image * conv.channels + c) * conv.height * conv.width;
    const bool affine = conv.scale != nullptr;
    pad_affine_plane(strip, conv.x + plane, affine ? conv.scale + c : nullptr,
                     affine ? conv.shift + c : nullptr, x);
    int64_t p = 0;
    for (; p + kVectors * kLanes <= strip.pixels; p += kVectors * kLanes)
      run_pixels(Vectors<kVectors>{}, c, p);
    for (; p + 2 * kLanes <= strip.pixels; p += 2 * kLanes) run_pixels(Vectors<2>{}, c, p);
    for (; p < strip.pixels; p += kLanes) run_pixels(Vectors<1>{}, c, p);
    for (int64_t r = 0; r < strip.rows; ++r) {
      float* to = conv.y + plane + (strip.row_begin + r) * conv.width + strip.column_begin;
      __builtin_memcpy(to, y + r * strip.stride, static_cast<size_t>(strip.columns) * sizeof(float));
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
