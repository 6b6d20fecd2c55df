// Lanes of two vectors in another order.
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

// The named lanes of a and b joined. GCC has __builtin_shufflevector, which is clang's, only since GCC 12.
template <int... Lane>
LRT_INLINE Vector shuffle(Vector a, Vector b) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, Lane...);
#else
  return __builtin_shuffle(a, b, Bits{Lane...});
#endif
}

}  // namespace layoutrt::kernels::LRT_ISA
