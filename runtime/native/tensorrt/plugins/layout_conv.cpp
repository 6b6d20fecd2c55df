#include "tensorrt/plugins/layout_conv.h"

#include <stdexcept>

#include "tensorrt/plugins/kernel_size.h"
#include "tensorrt/plugins/shape_check.h"

namespace layoutrt::trt {

using nvinfer1::DimensionOperation;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

namespace {

constexpr const char* kStrides = "strides";
enum Input : int { kLabels, kTable, kBias };

std::vector<int32_t> read_strides(const FieldReader& fields) {
  const std::vector<int32_t> strides = fields.integers(kStrides);
  if (strides.size() != 2 || strides[0] != strides[1] || strides[0] < 1 || strides[0] > 2) {
    throw std::invalid_argument("the attribute 'strides' must be [1, 1] or [2, 2]; export the model again");
  }
  return strides;
}

}  // namespace

std::vector<PluginField> LayoutConv::field_names() {
  return {PluginField(kStrides, nullptr, PluginFieldType::kINT32, 2)};
}

LayoutConv::LayoutConv(const char* layer, const FieldReader& fields)
    : Plugin(kName, layer, {Role::kLabels, Role::kFloat, Role::kFloat},
             "strides " + std::to_string(read_strides(fields)[0])),
      strides_(read_strides(fields)) {}

void LayoutConv::check(const Shapes& shapes) const {
  const nvinfer1::Dims& table = shapes.inputs[kTable];
  require_rank("labels", shapes.inputs[kLabels], 3);
  require_rank("table", table, 3);
  kernel_size(table.d[1]);
  require_vector("bias", shapes.inputs[kBias], table.d[2]);
}

void LayoutConv::output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                              nvinfer1::IExprBuilder& builder) const {
  if (inputs[kLabels].nbDims != 3 || inputs[kTable].nbDims != 3) {
    throw std::invalid_argument("must have labels and a table of 3 dimensions");
  }
  const nvinfer1::IDimensionExpr* stride = builder.constant(strides_[0]);
  const auto strided = [&](const nvinfer1::IDimensionExpr* size) {
    return builder.operation(DimensionOperation::kCEIL_DIV, *size, *stride);
  };
  output->nbDims = 4;
  output->d[0] = inputs[kLabels].d[0];
  output->d[1] = inputs[kTable].d[2];
  output->d[2] = strided(inputs[kLabels].d[1]);
  output->d[3] = strided(inputs[kLabels].d[2]);
}

std::vector<PluginField> LayoutConv::fields() const {
  return {PluginField(kStrides, strides_.data(), PluginFieldType::kINT32, 2)};
}

cudaError_t LayoutConv::launch(const Tensors& tensors, cudaStream_t stream) const {
  cuda::LayoutConv op{};
  op.labels = tensors.inputs[kLabels];
  op.table = tensors.inputs[kTable];
  op.bias = tensors.inputs[kBias];
  op.y = tensors.output;
  op.n = tensors.dim(kLabels, 0);
  op.height = tensors.dim(kLabels, 1);
  op.width = tensors.dim(kLabels, 2);
  op.count = tensors.dim(kTable, 0);
  op.k = kernel_size(tensors.dim(kTable, 1));
  op.channels = tensors.dim(kTable, 2);
  op.stride = strides_[0];
  op.label_type = kernel_type(tensors.descriptions[kLabels].type);
  op.type = kernel_type(tensors.descriptions[kTable].type);
  return cuda::launch(op, stream);
}

}  // namespace layoutrt::trt
