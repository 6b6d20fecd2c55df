// Gradients of SpatiallyVaryingConv: memory traffic and nothing else. w is read once and grad_w written once;
// x is never unfolded.
//
// grad_w[t,p] = grad[p] * xh[p + offset of t], tap by tap over a few rows of x in strips (strips.h).
// grad_xh[q] = sum_t w[t, q - offset of t] * grad[q - offset of t], gathered, so that every row is written by
// one thread. Vectors keep to the columns where no tap leaves the row; the rest is done pixel by pixel.

#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/strips.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

constexpr int64_t kStripPixels = 2048;
constexpr int kVectors = 2;  // of pixels per pass over the taps

int64_t strip_rows(const SpatiallyVaryingConvGradient& conv) {
  const int64_t rows = kStripPixels / conv.width;
  return smaller(rows < 1 ? 1 : rows, conv.height);
}

template <int K>
void weight_gradient(const SpatiallyVaryingConvGradient& conv, int64_t plane, int64_t row, int64_t rows,
                     const float* strips) {
  const int64_t plane_size = conv.height * conv.width;
  const int64_t pixels = rows * conv.width;
  const float* grad = conv.grad + plane * plane_size + row * conv.width;
  float* to = conv.grad_w + plane * K * K * plane_size + row * conv.width;
  for (int t = 0; t < K * K; ++t, to += plane_size) {
    const float* tap = strips + ((t % K) * (rows + K - 1) + t / K) * conv.width;
    int64_t p = 0;
    for (; p + kLanes <= pixels; p += kLanes) store(to + p, load(grad + p) * load(tap + p));
    for (; p < pixels; ++p) to[p] = grad[p] * tap[p];
  }
}

// V vectors of one row of grad_xh, from column j on. `grad` and `w` point to the row in their first plane.
template <int K, int V>
LRT_INLINE void gather(const SpatiallyVaryingConvGradient& conv, int64_t row, int64_t j, const float* grad,
                       const float* w, float* to) {
  const int64_t plane_size = conv.height * conv.width;
  Vector sum[V] = {};
#pragma GCC unroll 7
  for (int dy = 0; dy < K; ++dy) {
    const int64_t down = K / 2 - dy;
    if (row + down < 0 || row + down >= conv.height) continue;
#pragma GCC unroll 7
    for (int dx = 0; dx < K; ++dx) {
      const int64_t at = down * conv.width + j + K / 2 - dx;
      const float* tap = w + (dy * K + dx) * plane_size + at;
      for (int v = 0; v < V; ++v) sum[v] += load(tap + v * kLanes) * load(grad + at + v * kLanes);
    }
  }
  for (int v = 0; v < V; ++v) store(to + j + v * kLanes, sum[v]);
}

template <int K>
void input_gradient(const SpatiallyVaryingConvGradient& conv, int64_t plane, int64_t row, float* to) {
  const int64_t plane_size = conv.height * conv.width;
  const float* grad = conv.grad + plane * plane_size + row * conv.width;
  const float* w = conv.w + plane * K * K * plane_size + row * conv.width;
  const auto pixel = [&](int64_t j) {
    float sum = 0.0f;
    for (int t = 0; t < K * K; ++t) {
      const int64_t down = K / 2 - t / K;
      const int64_t column = j + K / 2 - t % K;
      if (row + down < 0 || row + down >= conv.height || column < 0 || column >= conv.width) continue;
      sum += w[t * plane_size + down * conv.width + column] * grad[down * conv.width + column];
    }
    to[j] = sum;
  };
  const int64_t begin = smaller<int64_t>(K / 2, conv.width);
  const int64_t end = conv.width - K / 2;
  int64_t j = begin;
  for (; j + kVectors * kLanes <= end; j += kVectors * kLanes) gather<K, kVectors>(conv, row, j, grad, w, to);
  for (; j + kLanes <= end; j += kLanes) gather<K, 1>(conv, row, j, grad, w, to);
  // The last vector goes back over columns that are done.
  if (j < end && end - begin >= kLanes) {
    gather<K, 1>(conv, row, end - kLanes, grad, w, to);
    j = end;
  }
  for (; j < conv.width; ++j) pixel(j);
  for (j = 0; j < begin; ++j) pixel(j);
}

// From the gradient of xh to that of x, in place; sums[0] is the row's share of scale, sums[1] of shift.
void through_affine(const float* x, int64_t width, float scale, float* grad_x, double* sums) {
  Vector by_x{};
  Vector plain{};
  int64_t j = 0;
  for (; j + kLanes <= width; j += kLanes) {
    const Vector grad = load(grad_x + j);
    by_x += grad * load(x + j);
    plain += grad;
    store(grad_x + j, scale * grad);
  }
  sums[0] = sums[1] = 0.0;
  for (int lane = 0; lane < kLanes; ++lane) {
    sums[0] += static_cast<double>(by_x[lane]);
    sums[1] += static_cast<double>(plain[lane]);
  }
  for (; j < width; ++j) {
    sums[0] += static_cast<double>(grad_x[j] * x[j]);
    sums[1] += static_cast<double>(grad_x[j]);
    grad_x[j] *= scale;
  }
}

template <int K>
void run(const SpatiallyVaryingConvGradient& conv, int64_t plane, int64_t row_begin, int64_t row_end,
         float* strips) {
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
  for (int64_t first = row_begin; first < row_end; first += rows_at_once) {
    const int64_t rows = smaller(rows_at_once, row_end - first);
    fill_strips<K>(source, first, rows, strips);
    weight_gradient<K>(conv, plane, first, rows, strips);
    for (int64_t row = first; row < first + rows; ++row) {
      float* to = conv.grad_x + plane * plane_size + row * conv.width;
      input_gradient<K>(conv, plane, row, to);
      if (affine) {
        through_affine(source.x + row * conv.width, conv.width, source.scale, to,
                       conv.sums + (plane * conv.height + row) * 2);
      }
    }
  }
}

}  // namespace

size_t spatially_varying_conv_gradient_scratch(const SpatiallyVaryingConvGradient& conv) {
  const int64_t k = conv.kernel_size;
  return static_cast<size_t>(k * (strip_rows(conv) + k - 1) * conv.width) * sizeof(float);
}

void spatially_varying_conv_gradient(const SpatiallyVaryingConvGradient& conv, int64_t plane,
                                     int64_t row_begin, int64_t row_end, float* scratch) {
  switch (conv.kernel_size) {
    case 1: return run<1>(conv, plane, row_begin, row_end, scratch);
    case 3: return run<3>(conv, plane, row_begin, row_end, scratch);
    case 5: return run<5>(conv, plane, row_begin, row_end, scratch);
    default: return run<7>(conv, plane, row_begin, row_end, scratch);
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
