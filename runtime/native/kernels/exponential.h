// The exponential function of a vector.
#pragma once

#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {

// exp(t), to a relative error below 1e-6; t is kept within [-87, 87].
//
// exp(t) = 2^n exp(r) with whole n and |r| <= ln(2) / 2, where the Taylor polynomial of degree 6 is good to
// 1.3e-7. Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits of the sum. The bounds of
// t keep 2^n normal.
LRT_INLINE Vector exponential(Vector t) {
  constexpr float kRound = 12582912.0f;
  const Vector low = broadcast(-87.0f);
  const Vector high = broadcast(87.0f);
  t = t < low ? low : t;
  t = t > high ? high : t;
  const Vector sum = t * 1.44269504f + kRound;
  const Vector n = sum - kRound;
  // ln(2) in two parts, of which the first has so few digits that n times it is exact.
  const Vector r = (t - n * 0.693359375f) + n * 2.12194440e-4f;
  Vector power = r * (1.0f / 720.0f) + 1.0f / 120.0f;
  power = power * r + 1.0f / 24.0f;
  power = power * r + 1.0f / 6.0f;
  power = power * r + 0.5f;
  power = power * r + 1.0f;
  power = power * r + 1.0f;
  const Bits exponent = reinterpret_cast<Bits>(sum) << 23;
  return reinterpret_cast<Vector>(reinterpret_cast<Bits>(power) + exponent);
}

}  // namespace layoutrt::kernels::LRT_ISA
