#include "operators/layout_conv.h"

#include "error.h"
#include "kernels/kernels.h"

namespace layoutrt::operators {
namespace {

int parse_strides(const std::vector<int64_t>& strides) {
  if (strides.empty()) return 1;
  if (strides.size() != 2 || strides[0] != strides[1] || (strides[0] != 1 && strides[0] != 2)) {
    throw Error(LRT_INVALID_ARGUMENT, "LayoutConv: strides must be [1, 1] or [2, 2], got " +
                                          to_string(strides.data(), strides.size()));
  }
  return static_cast<int>(strides[0]);
}

}  // namespace

LayoutConv::LayoutConv(const KernelInfo& info) : stride_(parse_strides(info.ints("strides"))) {
  Tensor table;
  Tensor bias;
  constant_ = info.constant_input(1, &table) && info.constant_input(2, &bias);
  if (constant_) prepared_ = prepare(table, bias);
}

LayoutConvTable LayoutConv::prepare(const Tensor& table, const Tensor& bias) {
  require_shape(kName, "table", "[L, k*k, C]", {-1, -1, -1}, table.shape);
  int kernel_size = 0;
  for (const int k : {1, 3, 5, 7}) {
    if (table.shape[1] == k * k) kernel_size = k;
  }
  if (kernel_size == 0 || table.shape[0] < 1 || table.shape[0] > 256) {
    throw Error(LRT_INVALID_ARGUMENT,
                "LayoutConv: table must be [L, k*k, C] with k = 1, 3, 5 or 7 and 1 to 256 labels, got " +
                    to_string(table.shape));
  }
  require_shape(kName, "bias", "[C]", {table.shape[2]}, bias.shape);
  return LayoutConvTable(table.as<float>(), bias.as<float>(), static_cast<int>(table.shape[0]), kernel_size,
                         table.shape[2]);
}

void LayoutConv::compute(const KernelContext& context) const {
  const Tensor labels = context.input(0);
  require_shape(kName, "labels", "[N, H, W]", {-1, -1, -1}, labels.shape);
  LayoutConvTable made;
  if (!constant_) made = prepare(context.input(1), context.input(2));
  if (element_count(labels.shape) == 0) {
    throw Error(LRT_INVALID_ARGUMENT, "LayoutConv: labels must not be empty, got " + to_string(labels.shape));
  }
  auto conv = (constant_ ? prepared_ : made).describe(labels.shape[1], labels.shape[2], stride_);
  conv.labels = labels.as<uint8_t>();
  conv.y = context.output({labels.shape[0], conv.channels, conv.out_height, conv.out_width});

  const auto& table = kernels::kernel_table();
  const LayoutConvParts parts(conv, labels.shape[0]);
  context.parallel_for(parts.count(), [&](int64_t i) {
    float* scratch = thread_scratch(table.layout_conv_scratch(conv));
    table.layout_conv(conv, parts.image(i), parts.begin(i), parts.end(i), scratch);
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
    if (in.size >= 0) halved.size = in.size / 2 + in.size % 2;
    return halved;
  };
  inference.set_output({labels[0], table[2], out(labels[1]), out(labels[2])});
}

}  // namespace layoutrt::operators
