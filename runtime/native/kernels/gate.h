// The tail of a gated convolution: sigmoid, leaky ReLU.
#pragma once

#include "kernels/pixel_block.h"

namespace layoutrt::kernels::LRT_ISA {

// 1 / (1 + exp(-x)), to a relative error below 1e-6.
//
// exp(t) = 2^n exp(r) with whole n and |r| <= ln(2) / 2, where the Taylor polynomial of degree 6 is good to
// 1.3e-7. Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits of the sum. t is kept
// within [-87, 87], which keeps 2^n normal; there the sigmoid is 1.6e-38 or exactly 1.
LRT_INLINE Vector sigmoid(Vector x) {
  constexpr float kRound = 12582912.0f;
  const Vector low = broadcast(-87.0f);
  const Vector high = broadcast(87.0f);
  Vector t = -x;
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
  return 1.0f / (1.0f + reinterpret_cast<Vector>(reinterpret_cast<Bits>(power) + exponent));
}

LRT_INLINE Vector leaky_relu(Vector x, float alpha) {
  const Vector scaled = x * alpha;
  return x > Vector{} ? x : scaled;
}

}  // namespace layoutrt::kernels::LRT_ISA
