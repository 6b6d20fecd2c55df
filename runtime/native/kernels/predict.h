// Predicting the nine kernel weights of a run of pixels in registers.
#pragma once

#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {

constexpr int kTaps = 9;
// Accumulators for 9 taps x 3 vectors of pixels need 32 registers; with 16 there are three passes over h, of
// 3 taps each. (4 vectors would fill the 16 exactly, and make compilers spill.)
constexpr int kVectors = 3;
constexpr int kTapsAtOnce = kManyRegisters ? 9 : 3;

// acc[t][v] += weight[t * stride] * h[v]: one input feature at one offset.
template <int T, int V>
LRT_INLINE void accumulate(Vector (&acc)[T][V], const float* h, const float* weight, int64_t stride) {
  if constexpr (T > V) {
    Vector value[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) value[v] = load(h + v * kLanes);
#pragma GCC unroll 9
    for (int t = 0; t < T; ++t) {
      const Vector w = broadcast(weight[t * stride]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) acc[t][v] += w * value[v];
    }
  } else {
    Vector w[T];
#pragma GCC unroll 9
    for (int t = 0; t < T; ++t) w[t] = broadcast(weight[t * stride]);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) {
      const Vector value = load(h + v * kLanes);
#pragma GCC unroll 9
      for (int t = 0; t < T; ++t) acc[t][v] += w[t] * value;
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
