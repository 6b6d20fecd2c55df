#include "operators/layout_conv.h"

#include <algorithm>

#include "error.h"
#include "kernels/kernels.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kPartsPerImage = 64;
constexpr int64_t kPixelAlignment = 16;  // a multiple of every instruction set's vector

int parse_strides(const std::vector<int64_t>& strides) {
  if (strides.empty()) return 1;
  if (strides.size() != 2 || strides[0] != strides[1] || (strides[0] != 1 && strides[0] != 2)) {
    throw Error(LRT_INVALID_ARGUMENT,
                "LayoutConv: strides must be [1, 1] or [2, 2], got " + to_string(strides));
  }
  return static_cast<int>(strides[0]);
}

int64_t out_size(int64_t size, int kernel_size, int stride) {
  return (size + 2 * (kernel_size / 2) - kernel_size) / stride + 1;
}

kernels::LayoutConv describe(int label_count, int kernel_size, int64_t padded_channels, const float* table,
                             const float* bias) {
  kernels::LayoutConv conv{};
  conv.table = table;
  conv.bias = bias;
  conv.padded_channels = padded_channels;
  conv.label_count = label_count;
  conv.kernel_size = kernel_size;
  return conv;
}

}  // namespace

LayoutConv::LayoutConv(const KernelInfo& info) : stride_(parse_strides(info.ints("strides"))) {
  Tensor table;
  Tensor bias;
  constant_ = info.constant_input(1, &table) && info.constant_input(2, &bias);
  if (constant_) prepared_ = prepare(table, bias);
}

LayoutConv::Prepared LayoutConv::prepare(const Tensor& table, const Tensor& bias) {
  require_shape(kName, "table", "[L, k*k, C]", {-1, -1, -1}, table.shape);
  Prepared prepared;
  for (const int k : {1, 3, 5, 7}) {
    if (table.shape[1] == k * k) prepared.kernel_size = k;
  }
  if (prepared.kernel_size == 0 || table.shape[0] < 1 || table.shape[0] > 256) {
    throw Error(LRT_INVALID_ARGUMENT,
                "LayoutConv: table must be [L, k*k, C] with k = 1, 3, 5 or 7 and 1 to 256 labels, got " +
                    to_string(table.shape));
  }
  const int64_t rows = table.shape[0] * table.shape[1];
  prepared.label_count = static_cast<int>(table.shape[0]);
  prepared.channels = table.shape[2];
  require_shape(kName, "bias", "[C]", {prepared.channels}, bias.shape);
  const int64_t padding = kernels::kChannelPadding;
  prepared.padded_channels = (prepared.channels + padding - 1) / padding * padding;

  const size_t padded = static_cast<size_t>(prepared.padded_channels);
  prepared.table.resize(static_cast<size_t>(rows + table.shape[1]) * padded);
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(table.as<float>() + row * prepared.channels, prepared.channels,
                prepared.table.data() + row * prepared.padded_channels);
  }
  prepared.bias.resize(padded);
  std::copy_n(bias.as<float>(), prepared.channels, prepared.bias.data());
  prepared.uniform_sums.resize(static_cast<size_t>(table.shape[0] + 1) * padded);
  kernels::kernel_table().layout_conv_uniform_sums(
      describe(prepared.label_count, prepared.kernel_size, prepared.padded_channels, prepared.table.data(),
               prepared.bias.data()),
      prepared.uniform_sums.data());
  return prepared;
}

void LayoutConv::compute(const KernelContext& context) const {
  const Tensor labels = context.input(0);
  require_shape(kName, "labels", "[N, H, W]", {-1, -1, -1}, labels.shape);
  Prepared made;
  if (!constant_) made = prepare(context.input(1), context.input(2));
  const Prepared& prepared = constant_ ? prepared_ : made;

  auto conv = describe(prepared.label_count, prepared.kernel_size, prepared.padded_channels,
                       prepared.table.data(), prepared.bias.data());
  conv.labels = labels.as<uint8_t>();
  conv.uniform_sums = prepared.uniform_sums.data();
  conv.channels = prepared.channels;
  conv.height = labels.shape[1];
  conv.width = labels.shape[2];
  conv.stride = stride_;
  if (element_count(labels.shape) == 0) {
    throw Error(LRT_INVALID_ARGUMENT, "LayoutConv: labels must not be empty, got " + to_string(labels.shape));
  }
  conv.out_height = out_size(conv.height, conv.kernel_size, stride_);
  conv.out_width = out_size(conv.width, conv.kernel_size, stride_);
  conv.y = context.output({labels.shape[0], conv.channels, conv.out_height, conv.out_width});

  const auto& table = kernels::kernel_table();
  const int64_t pixels = conv.out_height * conv.out_width;
  const int64_t share = (pixels / kPartsPerImage + kPixelAlignment - 1) / kPixelAlignment * kPixelAlignment;
  const int64_t part = std::clamp(share, kPixelAlignment, kernels::kLayoutConvPixels);
  const int64_t parts = (pixels + part - 1) / part;
  context.parallel_for(labels.shape[0] * parts, [&](int64_t i) {
    float* scratch = thread_scratch(table.layout_conv_scratch(conv));
    const int64_t begin = i % parts * part;
    table.layout_conv(conv, i / parts, begin, std::min(begin + part, pixels), scratch);
  });
}

void LayoutConv::infer(const ShapeInference& inference) {
  const auto labels = inference.input(0);
  const auto table = inference.input(1);
  if (labels.size() != 3 || table.size() != 3) return inference.set_output({});
  const int stride = parse_strides(inference.ints("strides"));
  // Padding k/2 keeps the size whatever k is, and stride 2 halves it, rounding up.
  const auto out = [stride](const Dimension& in) {
    if (stride == 1) return in;
    Dimension halved;
    if (in.size >= 0) halved.size = (in.size + 1) / 2;
    return halved;
  };
  inference.set_output({labels[0], table[2], out(labels[1]), out(labels[2])});
}

}  // namespace layoutrt::operators
