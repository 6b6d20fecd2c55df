#include "operators/layout_conv_plan.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kPartsPerImage = 64;
constexpr int64_t kPixelAlignment = 16;  // a multiple of every instruction set's vector

}  // namespace

LayoutConvTable::LayoutConvTable(const float* table, const float* bias, int label_count, int kernel_size,
                                 int64_t channels)
    : label_count_(label_count), kernel_size_(kernel_size), channels_(channels) {
  const int64_t padding = kernels::kChannelPadding;
  padded_channels_ = (channels + padding - 1) / padding * padding;
  const int64_t taps = kernel_size * kernel_size;
  const int64_t rows = label_count * taps;
  const size_t padded = static_cast<size_t>(padded_channels_);
  table_.resize(static_cast<size_t>(rows + taps) * padded);
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(table + row * channels, channels, table_.data() + row * padded_channels_);
  }
  bias_.resize(padded);
  std::copy_n(bias, channels, bias_.data());
  std::vector<float> sums(static_cast<size_t>(label_count + 1) * padded);
  kernels::kernel_table().layout_conv_uniform_sums(describe(1, 1, 1), sums.data());
  uniform_sums_ = std::move(sums);
}

kernels::LayoutConv LayoutConvTable::describe(int64_t height, int64_t width, int stride) const {
  kernels::LayoutConv conv{};
  conv.table = table_.data();
  conv.bias = bias_.data();
  conv.uniform_sums = uniform_sums_.empty() ? nullptr : uniform_sums_.data();
  conv.channels = channels_;
  conv.padded_channels = padded_channels_;
  conv.height = height;
  conv.width = width;
  conv.out_height = (height - 1) / stride + 1;
  conv.out_width = (width - 1) / stride + 1;
  conv.label_count = label_count_;
  conv.kernel_size = kernel_size_;
  conv.stride = stride;
  return conv;
}

LayoutConvParts::LayoutConvParts(const kernels::LayoutConv& conv, int64_t images)
    : images_(images), pixels_(conv.out_height * conv.out_width) {
  const int64_t even = (pixels_ / kPartsPerImage + kPixelAlignment - 1) / kPixelAlignment * kPixelAlignment;
  share_ = std::clamp(even, kPixelAlignment, kernels::kLayoutConvPixels);
  per_image_ = (pixels_ + share_ - 1) / share_;
}

}  // namespace layoutrt::operators
