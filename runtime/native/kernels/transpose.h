// Transpose a square of kLanes vectors in registers.
#pragma once

#include "kernels/shuffle.h"

namespace layoutrt::kernels::LRT_ISA {

// Swap the off-diagonal blocks of size Distance between rows `a` and `b` that lie Distance apart.
template <int Distance, int... Lane>
LRT_INLINE void swap_blocks(Vector& a, Vector& b, Lanes<Lane...>) {
  const Vector low = shuffle<((Lane & Distance) ? kLanes + Lane - Distance : Lane)...>(a, b);
  b = shuffle<((Lane & Distance) ? kLanes + Lane : Lane + Distance)...>(a, b);
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
