#include <algorithm>
#include <vector>

#include "kernels/kernels.h"
#include "operators/kernel_context.h"
#include "operators/layout_conv_plan.h"
#include "training/guarded.h"
#include "training/parallel.h"
#include "training/training.h"

namespace {

using namespace layoutrt;

constexpr int64_t kPartRows = 32;
constexpr int64_t kMaxRowParts = 8;  // each has sums of its own

}  // namespace

lrt_status lrt_train_layout_conv(const uint8_t* labels, const float* table, const float* bias, float* y,
                                 int64_t n, int64_t c, int64_t height, int64_t width, int32_t label_count,
                                 int32_t k, int32_t stride, int32_t threads) {
  return training::guarded([&] {
    const operators::LayoutConvTable prepared(table, bias, label_count, k, c);
    auto conv = prepared.describe(height, width, stride);
    conv.labels = labels;
    conv.y = y;
    const operators::LayoutConvParts parts(conv, n);
    const auto& kernels = kernels::kernel_table();
    training::parallel_for(threads, parts.count(), [&](int64_t i) {
      float* scratch = operators::thread_scratch(kernels.layout_conv_scratch(conv));
      kernels.layout_conv(conv, parts.image(i), parts.begin(i), parts.end(i), scratch);
    });
  });
}

lrt_status lrt_train_layout_conv_backward(const float* grad, const uint8_t* labels, float* grad_table,
                                          float* grad_bias, int64_t n, int64_t c, int64_t height,
                                          int64_t width, int32_t label_count, int32_t k, int32_t stride,
                                          int32_t threads) {
  return training::guarded([&] {
    const int64_t out_height = (height - 1) / stride + 1;
    const kernels::LayoutConvGradient conv{
        labels, grad, c, height, width, out_height, (width - 1) / stride + 1, label_count, k, stride};
    // The parts depend on the shapes only, and so does the order of the sums.
    const int64_t channels = kernels::kLayoutConvGradientChannels;
    const int64_t blocks = (c + channels - 1) / channels;
    const int64_t row_parts = std::clamp<int64_t>(out_height / kPartRows, 1, kMaxRowParts);
    const int64_t rows = (out_height + row_parts - 1) / row_parts;
    const int64_t table_rows = label_count * k * k;
    const int64_t size = ((label_count + 1) * k * k + 1) * channels;
    std::vector<float> sums(static_cast<size_t>(row_parts * blocks * size));
    const auto& kernels = kernels::kernel_table();
    training::parallel_for(threads, row_parts * blocks, [&](int64_t part) {
      const int64_t begin = std::min(part / blocks * rows, out_height);
      const int64_t end = std::min(begin + rows, out_height);
      for (int64_t image = 0; image < n; ++image) {
        kernels.layout_conv_gradient(conv, image, part % blocks * channels, begin, end,
                                     sums.data() + part * size);
      }
    });
    const auto total = [&](int64_t row, int64_t channel) {
      double sum = 0.0;
      for (int64_t i = 0; i < row_parts; ++i) {
        const int64_t part = i * blocks + channel / channels;
        sum +=
            static_cast<double>(sums[static_cast<size_t>(part * size + row * channels + channel % channels)]);
      }
      return static_cast<float>(sum);
    };
    for (int64_t channel = 0; channel < c; ++channel) {
      for (int64_t row = 0; row < table_rows; ++row) grad_table[row * c + channel] = total(row, channel);
      grad_bias[channel] = total((label_count + 1) * k * k, channel);
    }
  });
}
