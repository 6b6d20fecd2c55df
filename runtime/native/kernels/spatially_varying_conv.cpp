// SpatiallyVaryingConv: memory traffic and nothing else, nearly all of it w, which is read once, in order.
//
// A few rows at a time, x is copied (with its scale and shift) into k strips, one per horizontal offset, with
// zeros where the image ends. In such a strip every tap of every pixel is a plain offset, so the inner loop
// runs over the rows as over one long row, without edges.

#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/strips.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

constexpr int64_t kStripPixels = 2048;  // the strips of a 3x3 kernel then stay in the first-level cache
constexpr int kBlock = 2;               // vectors of pixels per pass over the taps

int64_t strip_rows(const SpatiallyVaryingConv& conv) {
  const int64_t rows = kStripPixels / conv.width;
  return smaller(rows < 1 ? 1 : rows, conv.height);
}

template <int K>
void run(const SpatiallyVaryingConv& conv, int64_t plane, int64_t row_begin, int64_t row_end, float* strips) {
  const int64_t plane_size = conv.height * conv.width;
  const int64_t channel = plane % conv.channels;
  const bool affine = conv.scale != nullptr;
  const StripSource source{conv.x + plane * plane_size,
                           conv.height,
                           conv.width,
                           affine,
                           affine ? conv.scale[channel] : 1.0f,
                           affine ? conv.shift[channel] : 0.0f};
  const int64_t rows_at_once = strip_rows(conv);

  for (int64_t row = row_begin; row < row_end; row += rows_at_once) {
    const int64_t rows = smaller(rows_at_once, row_end - row);
    fill_strips<K>(source, row, rows, strips);
    const int64_t pixels = rows * conv.width;
    const float* w = conv.w + plane * K * K * plane_size + row * conv.width;
    float* y = conv.y + plane * plane_size + row * conv.width;

    const auto tap = [&](int t) { return strips + ((t % K) * (rows + K - 1) + t / K) * conv.width; };
    int64_t p = 0;
    for (; p + kBlock * kLanes <= pixels; p += kBlock * kLanes) {
      Vector sum[kBlock] = {};
#pragma GCC unroll 9
      for (int t = 0; t < K * K; ++t) {
        for (int b = 0; b < kBlock; ++b) {
          sum[b] += load(w + t * plane_size + p + b * kLanes) * load(tap(t) + p + b * kLanes);
        }
      }
      for (int b = 0; b < kBlock; ++b) store(y + p + b * kLanes, sum[b]);
    }
    for (; p < pixels; ++p) {
      float sum = 0.0f;
      for (int t = 0; t < K * K; ++t) sum += w[t * plane_size + p] * tap(t)[p];
      y[p] = sum;
    }
  }
}

}  // namespace

size_t spatially_varying_conv_scratch(const SpatiallyVaryingConv& conv) {
  const int64_t k = conv.kernel_size;
  return static_cast<size_t>(k * (strip_rows(conv) + k - 1) * conv.width) * sizeof(float);
}

void spatially_varying_conv(const SpatiallyVaryingConv& conv, int64_t plane, int64_t row_begin,
                            int64_t row_end, float* scratch) {
  switch (conv.kernel_size) {
    case 1: return run<1>(conv, plane, row_begin, row_end, scratch);
    case 3: return run<3>(conv, plane, row_begin, row_end, scratch);
    case 5: return run<5>(conv, plane, row_begin, row_end, scratch);
    default: return run<7>(conv, plane, row_begin, row_end, scratch);
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
