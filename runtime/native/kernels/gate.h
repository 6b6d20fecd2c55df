// The tail of a gated convolution: sigmoid, leaky ReLU.
#pragma once

#include "kernels/exponential.h"
#include "kernels/pixel_block.h"

namespace layoutrt::kernels::LRT_ISA {

// 1 / (1 + exp(-x)), to a relative error below 1e-6. Where exp(-x) is at its bounds, this is 1.6e-38 or
// exactly 1.
LRT_INLINE Vector sigmoid(Vector x) { return 1.0f / (1.0f + exponential(-x)); }

LRT_INLINE Vector leaky_relu(Vector x, float alpha) {
  const Vector scaled = x * alpha;
  return x > Vector{} ? x : scaled;
}

}  // namespace layoutrt::kernels::LRT_ISA
