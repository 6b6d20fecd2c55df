#include "operators/spatially_varying_conv.h"

#include <algorithm>

#include "error.h"
#include "kernels/kernels.h"
#include "operators/affine.h"

namespace layoutrt::operators {
namespace {

// A part is large enough to be worth a thread's attention and small enough to share an image among sixteen.
constexpr int64_t kPartPixels = 16384;

int infer_kernel_size(const Tensor& x, const Tensor& w) {
  for (const int k : {1, 3, 5, 7}) {
    if (w.shape[1] == x.shape[1] * k * k) return k;
  }
  // A kernel of 3x3 is what the operator is made for: name the shape that it would take.
  Shape expected = x.shape;
  expected[1] *= 9;
  throw Error(LRT_INVALID_ARGUMENT,
              "SpatiallyVaryingConv: w must be [N, C*k*k, H, W] = " + to_string(expected) +
                  " (k = 3; k may be 1, 3, 5 or 7), got " + to_string(w.shape));
}

}  // namespace

void SpatiallyVaryingConv::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor w = context.input(1);
  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  require_shape(kName, "w", "[N, C*k*k, H, W]", {-1, -1, -1, -1}, w.shape);
  const int k = infer_kernel_size(x, w);
  const int64_t channels = x.shape[1];
  const int64_t height = x.shape[2];
  const int64_t width = x.shape[3];
  require_shape(kName, "w", "[N, C*k*k, H, W]", {x.shape[0], channels * k * k, height, width}, w.shape);
  const Affine affine = read_affine(context, kName, 2, channels);
  float* y = context.output(x.shape);
  if (element_count(x.shape) == 0) return;

  const kernels::SpatiallyVaryingConv conv{
      x.as<float>(), w.as<float>(), affine.scale, affine.shift, y, channels, height, width, k};
  const auto& table = kernels::kernel_table();
  const int64_t planes = x.shape[0] * channels;
  const int64_t rows = std::clamp<int64_t>(kPartPixels / width, 1, height);
  const int64_t parts = (height + rows - 1) / rows;
  context.parallel_for(planes * parts, [&](int64_t i) {
    float* scratch = thread_scratch(table.spatially_varying_conv_scratch(conv));
    const int64_t row = i % parts * rows;
    table.spatially_varying_conv(conv, i / parts, row, std::min(row + rows, height), scratch);
  });
}

}  // namespace layoutrt::operators
