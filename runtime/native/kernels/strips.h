// The input of a SpatiallyVaryingConv as strips in which every tap of every pixel is a plain offset.
#pragma once

#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {

// One plane of the input, and the norm folded into it.
struct StripSource {
  const float* x;  // [height, width]
  int64_t height;
  int64_t width;
  bool affine;
  float scale;
  float shift;
};

// strips[dx][r][j] = xh[first_row + r - k/2, j + dx - k/2] for rows + k - 1 rows, with zeros where the image
// ends.
template <int K>
void fill_strips(const StripSource& source, int64_t first_row, int64_t rows, float* strips) {
  const int64_t width = source.width;
  for (int dx = 0; dx < K; ++dx) {
    const int64_t offset = dx - K / 2;
    const int64_t begin = smaller<int64_t>(offset < 0 ? -offset : 0, width);
    const int64_t inside_end = offset > 0 ? width - offset : width;
    const int64_t end = inside_end < begin ? begin : inside_end;
    for (int64_t r = 0; r < rows + K - 1; ++r) {
      float* to = strips + (dx * (rows + K - 1) + r) * width;
      const int64_t row = first_row + r - K / 2;
      const bool inside = row >= 0 && row < source.height;
      const float* from = source.x + (inside ? row : 0) * width + offset;
      for (int64_t j = 0; j < (inside ? begin : width); ++j) to[j] = 0.0f;
      if (!inside) continue;
      if (source.affine) {
        for (int64_t j = begin; j < end; ++j) to[j] = source.scale * from[j] + source.shift;
      } else {
        for (int64_t j = begin; j < end; ++j) to[j] = from[j];
      }
      for (int64_t j = end; j < width; ++j) to[j] = 0.0f;
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
