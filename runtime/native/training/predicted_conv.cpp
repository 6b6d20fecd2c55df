#include <algorithm>
#include <vector>

#include "kernels/kernels.h"
#include "operators/kernel_context.h"
#include "operators/predicted_conv_plan.h"
#include "training/guarded.h"
#include "training/parallel.h"
#include "training/training.h"

namespace {

using namespace layoutrt;

constexpr int64_t kTaps = 9;
constexpr int64_t kStripBytes = 192 * 1024;  // of h; as much for its gradient, and both stay in the cache
constexpr int64_t kMinRows = 4;              // below, predicting the rows of halo twice shows

// Rows of a part. It depends on the shapes only, and so does the order in which gradients are added up.
int64_t part_rows(int64_t features, int64_t height, int64_t width) {
  const int64_t fitting = kStripBytes / static_cast<int64_t>(sizeof(float)) / (features * (width + 1));
  return std::min(std::max(fitting, kMinRows), height);
}

// to[i] = sum of from[part, i] over the parts, in order.
template <class T>
void add_parts(const std::vector<T>& from, int64_t parts, int64_t size, float* to, int64_t stride,
               int64_t first) {
  for (int64_t i = first; i < size; i += stride) {
    double sum = 0.0;
    for (int64_t part = 0; part < parts; ++part) {
      sum += static_cast<double>(from[static_cast<size_t>(part * size + i)]);
    }
    to[i / stride] = static_cast<float>(sum);
  }
}

}  // namespace

lrt_status lrt_train_predicted_conv(const float* x, const float* h, const float* weight, const float* bias,
                                    const float* scale, const float* shift, float* y, int64_t n, int64_t c,
                                    int64_t features, int64_t height, int64_t width, int32_t p,
                                    int32_t threads) {
  return training::guarded([&] {
    const kernels::PredictedConv conv{x, h, weight, bias, scale, shift, y, c, features, height, width, p};
    operators::run_predicted_conv(
        conv, n, [&](int64_t count, const auto& body) { training::parallel_for(threads, count, body); });
  });
}

lrt_status lrt_train_predicted_conv_backward(const float* grad, const float* x, const float* h,
                                             const float* weight, const float* bias, const float* scale,
                                             const float* shift, float* grad_x, float* grad_h,
                                             float* grad_weight, float* grad_bias, float* grad_scale,
                                             float* grad_shift, int64_t n, int64_t c, int64_t features,
                                             int64_t height, int64_t width, int32_t threads) {
  return training::guarded([&] {
    const auto packed = operators::pack_predictor(weight, c, features);
    const int64_t rows = part_rows(features, height, width);
    const int64_t per_image = (height + rows - 1) / rows;
    const int64_t parts = n * per_image;
    const int64_t kernels_size = c * kTaps;
    std::vector<float> weights(static_cast<size_t>(parts * kernels_size * features));
    std::vector<float> biases(static_cast<size_t>(parts * kernels_size));
    std::vector<double> sums(scale == nullptr ? 0 : static_cast<size_t>(parts * c * 2));
    const kernels::PredictedConvGradient conv{
        grad,          x,           h, packed.data(), bias,   scale, shift, grad_x, grad_h, weights.data(),
        biases.data(), sums.data(), c, features,      height, width};
    const auto& table = kernels::kernel_table();
    const size_t bytes = table.predicted_conv_gradient_scratch(conv, rows);
    training::parallel_for(threads, parts, [&](int64_t part) {
      const int64_t row = part % per_image * rows;
      table.predicted_conv_gradient(conv, part / per_image, row, std::min(row + rows, height), part,
                                    operators::thread_scratch(bytes));
    });
    add_parts(weights, parts, kernels_size * features, grad_weight, 1, 0);
    add_parts(biases, parts, kernels_size, grad_bias, 1, 0);
    if (scale == nullptr) return;
    add_parts(sums, parts, c * 2, grad_scale, 2, 0);
    add_parts(sums, parts, c * 2, grad_shift, 2, 1);
  });
}
