// Blocks of neighboring pixels, in row-major order across the rows of an image, that pass through a chain of
// small matrix products without leaving the first-level cache.
//
// A block is a matrix [depth, kBlockPixels]: one row per feature or channel. The nine taps around a pixel are
// read from a strip, in which every tap is a plain offset; what the taps of the first and last column take
// from the neighboring row is masked away.
#pragma once

#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {

constexpr int kBlockVectors = 3;
constexpr int64_t kBlockPixels = kBlockVectors * kLanes;
// Rows of a product that are added up at a time: with kBlockVectors each they fill the registers.
constexpr int kProductRows = kManyRegisters ? 8 : 3;

// acc[r][v] += sum_j weight[r * row_stride + j] * block[j][v], for j < depth.
template <int R, int V>
LRT_INLINE void add_product(Vector (&acc)[R][V], const float* weight, int64_t row_stride, const float* block,
                            int64_t depth) {
  for (int64_t j = 0; j < depth; ++j, block += kBlockPixels) {
    Vector value[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) value[v] = load(block + v * kLanes);
#pragma GCC unroll 9
    for (int r = 0; r < R; ++r) {
      const Vector w = broadcast(weight[r * row_stride + j]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) acc[r][v] += w * value[v];
    }
  }
}

// acc[r][v] = bias[r * stride].
template <int R, int V>
LRT_INLINE void start_product(Vector (&acc)[R][V], const float* bias, int64_t stride) {
#pragma GCC unroll 9
  for (int r = 0; r < R; ++r) {
    const Vector b = broadcast(bias[r * stride]);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[r][v] = b;
  }
}

// The first `count` of V vectors of pixels.
template <int V>
LRT_INLINE void store_pixels(float* to, const Vector (&value)[V], int64_t count) {
  if (count == V * kLanes) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) store(to + v * kLanes, value[v]);
  } else {
    __builtin_memcpy(to, value, static_cast<size_t>(count) * sizeof(float));
  }
}

template <int V>
LRT_INLINE void load_pixels(const float* from, Vector (&value)[V], int64_t count) {
  if (count == V * kLanes) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) value[v] = load(from + v * kLanes);
  } else {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) value[v] = Vector{};
    __builtin_memcpy(value, from, static_cast<size_t>(count) * sizeof(float));
  }
}

// block[j] = `count` <= kBlockPixels pixels of plane j, and zeros.
inline void load_block(const float* planes, int64_t plane_size, int64_t depth, int64_t count, float* block) {
  for (int64_t j = 0; j < depth; ++j, planes += plane_size, block += kBlockPixels) {
    Vector value[kBlockVectors];
    load_pixels<kBlockVectors>(planes, value, count);
#pragma GCC unroll 3
    for (int v = 0; v < kBlockVectors; ++v) store(block + v * kLanes, value[v]);
  }
}

// Masks of the pixels of a block that have a neighbor to the left and to the right.
struct ColumnMasks {
  Bits left[kBlockVectors];
  Bits right[kBlockVectors];
};

inline void mask_columns(int64_t first_pixel, int64_t width, ColumnMasks* masks) {
  for (int v = 0; v < kBlockVectors; ++v) masks->left[v] = masks->right[v] = ~Bits{};
  const int64_t column = first_pixel % width;
  for (int64_t p = column == 0 ? 0 : width - column; p < kBlockPixels; p += width) {
    masks->left[p / kLanes][p % kLanes] = 0;
  }
  for (int64_t p = width - 1 - column; p < kBlockPixels; p += width) {
    masks->right[p / kLanes][p % kLanes] = 0;
  }
}

// Fetches kBlockPixels of a plane from `first` on into the first-level cache, as far as there are any.
template <int Write>
LRT_INLINE void prefetch_pixels(const float* plane, int64_t first, int64_t plane_size) {
  constexpr int64_t kLine = 64 / sizeof(float);
#pragma GCC unroll 3
  for (int64_t p = first; p < first + kBlockPixels; p += kLine) {
    if (p >= 0 && p < plane_size) __builtin_prefetch(plane + p, Write);
  }
}

// A run of pixels of one channel, from pixel `begin` on, with everything that the taps of whole blocks reach.
// Pixel p is at lead + p - begin.
struct PixelStrip {
  int64_t width;  // of the image
  int64_t lead;
  int64_t size;

  PixelStrip(int64_t image_width, int64_t pixels)
      : width(image_width),
        lead(round_up(width + 1, kLanes)),
        size(needed(round_up(pixels, kBlockPixels) - kBlockPixels)) {}

  // Length of the strip that the block at pixel begin + offset needs.
  int64_t needed(int64_t offset) const { return round_up(lead + offset + kBlockPixels + width + 1, kLanes); }
};

// to[i] = scale * x[p] + shift for the pixels p = first + i of an image, i < count; 0 outside of it.
inline void fill_strip(const float* x, int64_t image_pixels, int64_t first, int64_t count, const float* scale,
                       const float* shift, float* to) {
  const int64_t inside_begin = smaller(first < 0 ? -first : 0, count);
  const int64_t inside_end = smaller(image_pixels - first, count);
  int64_t i = 0;
  for (; i < inside_begin; ++i) to[i] = 0.0f;
  if (scale != nullptr) {
    const float a = *scale;
    const float b = *shift;
    for (; i < inside_end; ++i) to[i] = a * x[first + i] + b;
  } else {
    for (; i < inside_end; ++i) to[i] = x[first + i];
  }
  for (; i < count; ++i) to[i] = 0.0f;
}

}  // namespace layoutrt::kernels::LRT_ISA
