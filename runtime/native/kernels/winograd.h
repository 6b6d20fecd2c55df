// Winograd's minimal filtering F(4x4, 3x3): 36 products for 16 outputs of a 3x3 convolution instead of 144.
//
// Y = A^T [(G g G^T) * (B^T d B)] A for a kernel g [3,3] and a patch d [6,6]; the matrices are those of Lavin
// & Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308), section 4.3. Each function
// is one dimension of a transform on vectors.
#pragma once

#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {

constexpr int kTileSize = 4;     // outputs of a tile, each way
constexpr int kPatchSize = 6;    // inputs of a tile, each way
constexpr int kComponents = 36;  // products of a tile

// out = B^T in, in and out 6 vectors.
LRT_INLINE void transform_input(const Vector (&in)[6], Vector (&out)[6]) {
  const Vector even = in[4] - 4.0f * in[2];
  const Vector odd = in[3] - 4.0f * in[1];
  const Vector even_half = in[4] - in[2];
  const Vector odd_half = in[3] - in[1];
  out[0] = 4.0f * in[0] - 5.0f * in[2] + in[4];
  out[1] = even + odd;
  out[2] = even - odd;
  out[3] = even_half + 2.0f * odd_half;
  out[4] = even_half - 2.0f * odd_half;
  out[5] = 4.0f * in[1] - 5.0f * in[3] + in[5];
}

// out = G in, in 3 vectors and out 6.
LRT_INLINE void transform_kernel(const Vector (&in)[3], Vector (&out)[6]) {
  const Vector outer = (-1.0f / 6.0f) * (in[0] + in[2]);
  const Vector wide = (1.0f / 24.0f) * in[0] + (1.0f / 6.0f) * in[2];
  out[0] = 0.25f * in[0];
  out[1] = outer - (1.0f / 6.0f) * in[1];
  out[2] = outer + (1.0f / 6.0f) * in[1];
  out[3] = wide + (1.0f / 12.0f) * in[1];
  out[4] = wide - (1.0f / 12.0f) * in[1];
  out[5] = in[2];
}

// out = A^T in + bias, in 6 vectors and out 4.
LRT_INLINE void transform_output(const Vector (&in)[6], Vector bias, Vector (&out)[4]) {
  const Vector sum = in[1] + in[2] + bias;
  const Vector difference = in[1] - in[2] + bias;
  const Vector sum_double = in[3] + in[4];
  const Vector difference_double = in[3] - in[4];
  out[0] = in[0] + sum + sum_double;
  out[1] = difference + 2.0f * difference_double;
  out[2] = sum + 4.0f * sum_double;
  out[3] = difference + 8.0f * difference_double + in[5];
}

}  // namespace layoutrt::kernels::LRT_ISA
