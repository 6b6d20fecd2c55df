// The nine kernel weights of a block of pixels, predicted from its features in registers and applied at once.
#pragma once

#include "kernels/pixel_block.h"

namespace layoutrt::kernels::LRT_ISA {

// value[v] = sum over the column's three taps of acc * x; x points to pixel 0 in the row above, one to the
// left.
template <int V, int Stride, int R>
LRT_INLINE void apply_column(const Vector (&acc)[R][V], int first, const float* x, int64_t width,
                             Vector (&value)[V]) {
#pragma GCC unroll 3
  for (int v = 0; v < V; ++v) {
    value[v] = acc[first][v] * load(x + v * kLanes);
    value[v] += acc[first + Stride][v] * load(x + width + v * kLanes);
    value[v] += acc[first + 2 * Stride][v] * load(x + 2 * width + v * kLanes);
  }
}

// sum[v] = PredictedConv with p = 1 of one channel. weight [9, features] and bias [9] are the channel's;
// block holds the features; x is the block's first pixel in the channel's strip.
template <int V>
LRT_INLINE void predict_and_apply(const float* weight, const float* bias, const float* block,
                                  int64_t features, const float* x, int64_t width, const ColumnMasks& masks,
                                  Vector (&sum)[V]) {
  x -= width + 1;
  Vector side[V];
  if constexpr (kManyRegisters) {
    Vector acc[9][V];
    start_product(acc, bias, 1);
    add_product(acc, weight, features, block, features);
    apply_column<V, 3>(acc, 1, x + 1, width, sum);
    apply_column<V, 3>(acc, 0, x, width, side);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] += masked(side[v], masks.left[v]);
    apply_column<V, 3>(acc, 2, x + 2, width, side);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] += masked(side[v], masks.right[v]);
  } else {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] = Vector{};
#pragma GCC unroll 1
    for (int column = 0; column < 3; ++column) {
      Vector acc[3][V];
      start_product(acc, bias + column, 3);
      add_product(acc, weight + column * features, 3 * features, block, features);
      apply_column<V, 1>(acc, 0, x + column, width, side);
      const Bits* mask = column == 0 ? masks.left : masks.right;
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[v] += column == 1 ? side[v] : masked(side[v], mask[v]);
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
