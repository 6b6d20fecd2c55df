// Transpose a square of kLanes vectors in registers.
#pragma once

#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {

template <int... Lane>
struct Lanes {};

#if defined(__AVX512F__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = Lanes<0, 1, 2, 3>;
#endif

// Swap the off-diagonal blocks of size Distance between rows `a` and `b` that lie Distance apart.
template <int Distance, int... Lane>
LRT_INLINE void swap_blocks(Vector& a, Vector& b, Lanes<Lane...>) {
  const Vector low = __builtin_shufflevector(a, b, ((Lane & Distance) ? kLanes + Lane - Distance : Lane)...);
  b = __builtin_shufflevector(a, b, ((Lane & Distance) ? kLanes + Lane : Lane + Distance)...);
  a = low;
}

template <int Distance>
LRT_INLINE void transpose_stage(Vector (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & Distance) == 0) swap_blocks<Distance>(rows[i], rows[i + Distance], AllLanes{});
  }
}

LRT_INLINE void transpose(Vector (&rows)[kLanes]) {
  transpose_stage<1>(rows);
  transpose_stage<2>(rows);
  if constexpr (kLanes > 4) transpose_stage<4>(rows);
  if constexpr (kLanes > 8) transpose_stage<8>(rows);
}

}  // namespace layoutrt::kernels::LRT_ISA
