#include <algorithm>
#include <vector>

#include "kernels/kernels.h"
#include "operators/kernel_context.h"
#include "training/guarded.h"
#include "training/parallel.h"
#include "training/training.h"

namespace {

using namespace layoutrt;

constexpr int64_t kPartPixels = 16384;  // one row at least

// Ranges of rows of one plane.
struct Parts {
  Parts(int64_t planes, int64_t height, int64_t width)
      : height(height),
        rows(std::clamp<int64_t>(kPartPixels / width, 1, height)),
        per_plane((height + rows - 1) / rows),
        count(planes * per_plane) {}
  int64_t plane(int64_t i) const { return i / per_plane; }
  int64_t begin(int64_t i) const { return i % per_plane * rows; }
  int64_t end(int64_t i) const { return std::min(begin(i) + rows, height); }
  int64_t height, rows, per_plane, count;
};

}  // namespace

lrt_status lrt_train_spatially_varying_conv(const float* x, const float* w, const float* scale,
                                            const float* shift, float* y, int64_t n, int64_t c,
                                            int64_t height, int64_t width, int32_t k, int32_t threads) {
  return training::guarded([&] {
    const kernels::SpatiallyVaryingConv conv{x, w, scale, shift, y, c, height, width, k};
    const auto& table = kernels::kernel_table();
    const Parts parts(n * c, height, width);
    training::parallel_for(threads, parts.count, [&](int64_t i) {
      float* scratch = operators::thread_scratch(table.spatially_varying_conv_scratch(conv));
      table.spatially_varying_conv(conv, parts.plane(i), parts.begin(i), parts.end(i), scratch);
    });
  });
}

lrt_status lrt_train_spatially_varying_conv_backward(const float* grad, const float* x, const float* w,
                                                     const float* scale, const float* shift, float* grad_x,
                                                     float* grad_w, float* grad_scale, float* grad_shift,
                                                     int64_t n, int64_t c, int64_t height, int64_t width,
                                                     int32_t k, int32_t threads) {
  return training::guarded([&] {
    std::vector<double> sums(scale == nullptr ? 0 : static_cast<size_t>(n * c * height * 2));
    const kernels::SpatiallyVaryingConvGradient conv{grad,   x,           w, scale,  shift, grad_x,
                                                     grad_w, sums.data(), c, height, width, k};
    const auto& table = kernels::kernel_table();
    const Parts parts(n * c, height, width);
    training::parallel_for(threads, parts.count, [&](int64_t i) {
      float* scratch = operators::thread_scratch(table.spatially_varying_conv_gradient_scratch(conv));
      table.spatially_varying_conv_gradient(conv, parts.plane(i), parts.begin(i), parts.end(i), scratch);
    });
    if (scale == nullptr) return;
    for (int64_t channel = 0; channel < c; ++channel) {
      double totals[2] = {};
      for (int64_t image = 0; image < n; ++image) {
        const double* rows = sums.data() + (image * c + channel) * height * 2;
        for (int64_t i = 0; i < height * 2; ++i) totals[i % 2] += rows[i];
      }
      grad_scale[channel] = static_cast<float>(totals[0]);
      grad_shift[channel] = static_cast<float>(totals[1]);
    }
  });
}
