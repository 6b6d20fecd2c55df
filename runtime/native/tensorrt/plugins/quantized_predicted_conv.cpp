#include "tensorrt/plugins/quantized_predicted_conv.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "tensorrt/plugins/predicted_kernels.h"
#include "tensorrt/plugins/shape_check.h"

namespace layoutrt::trt {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

namespace {

constexpr const char* kHScale = "h_scale";
constexpr const char* kHZeroPoint = "h_zero_point";
constexpr const char* kWeightScale = "weight_scale";
constexpr const char* kYScale = "y_scale";

// The level of 0.0 in uint8, as the operator counts: symmetric int8 is the same moved by 128.
constexpr int32_t kSymmetric = 128;
constexpr int64_t kMostProducts = 32768;  // sums of more could leave int32

bool positive(float value) { return std::isfinite(value) && value > 0; }

}  // namespace

std::vector<PluginField> QuantizedPredictedConv::field_names() {
  return {PluginField(kWeightLayout, nullptr, PluginFieldType::kCHAR, 0),
          PluginField(kHScale, nullptr, PluginFieldType::kFLOAT32, 1),
          PluginField(kHZeroPoint, nullptr, PluginFieldType::kINT32, 1),
          PluginField(kWeightScale, nullptr, PluginFieldType::kFLOAT32, 0),
          PluginField(kYScale, nullptr, PluginFieldType::kFLOAT32, 1)};
}

QuantizedPredictedConv::QuantizedPredictedConv(const char* layer, const FieldReader& fields)
    : Plugin(kName, layer,
             {Role::kFloat, Role::kQuantizedFeatures, Role::kInt8, Role::kFloat, Role::kFloat, Role::kFloat},
             ""),
      weight_layout_(read_weight_layout(fields)),
      h_scale_(fields.real(kHScale)),
      h_zero_point_(fields.integer(kHZeroPoint, kSymmetric)),
      weight_scale_(fields.reals(kWeightScale)),
      y_scale_(fields.real(kYScale, 0.0f)) {
  if (h_zero_point_ != kSymmetric) {
    throw std::invalid_argument("the attribute 'h_zero_point' must be 128, got " +
                                std::to_string(h_zero_point_) +
                                "; write the file with layoutrt calibrate --target tensorrt");
  }
  if (!positive(h_scale_) || (y_scale_ != 0.0f && !positive(y_scale_)) ||
      !std::all_of(weight_scale_.begin(), weight_scale_.end(), positive)) {
    throw std::invalid_argument("a scale is not a positive number; calibrate the model again");
  }
}

nvinfer1::DataType QuantizedPredictedConv::output_type(nvinfer1::DataType type) const {
  return y_scale_ == 0.0f ? type : nvinfer1::DataType::kINT8;
}

bool QuantizedPredictedConv::supports_output(const nvinfer1::PluginTensorDesc& output) const {
  if (output.format == nvinfer1::TensorFormat::kLINEAR) return true;
  // Padding for other numbers of channels is not implemented.
  return output.format == nvinfer1::TensorFormat::kCHW32 && y_scale_ != 0.0f &&
         weight_scale_.size() % 32 == 0;
}

void QuantizedPredictedConv::check(const Shapes& shapes) const {
  check_predicted(shapes);
  require_dim("x", shapes.inputs[kX], 1, static_cast<int64_t>(weight_scale_.size()));
  const nvinfer1::Dims& weight = shapes.inputs[kWeight];
  if (weight.d[1] * weight.d[2] * weight.d[3] > kMostProducts) {
    throw std::invalid_argument("has the tensor weight " + text(weight) + ", which adds up more than " +
                                std::to_string(kMostProducts) + " products; keep it in float");
  }
}

void QuantizedPredictedConv::output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                                          nvinfer1::IExprBuilder&) const {
  *output = inputs[kX];
}

std::vector<PluginField> QuantizedPredictedConv::fields() const {
  return {PluginField(kWeightLayout, weight_layout_.data(), PluginFieldType::kCHAR,
                      static_cast<int32_t>(weight_layout_.size())),
          PluginField(kHScale, &h_scale_, PluginFieldType::kFLOAT32, 1),
          PluginField(kHZeroPoint, &h_zero_point_, PluginFieldType::kINT32, 1),
          PluginField(kWeightScale, weight_scale_.data(), PluginFieldType::kFLOAT32,
                      static_cast<int32_t>(weight_scale_.size())),
          PluginField(kYScale, &y_scale_, PluginFieldType::kFLOAT32, 1)};
}

cudaError_t QuantizedPredictedConv::launch(const Tensors& tensors, cudaStream_t stream) const {
  cuda::QuantizedPredictedConv op{};
  describe_predicted(tensors, &op);
  op.weight = static_cast<const int8_t*>(tensors.inputs[kWeight]);
  op.weight_scale = device_weight_scale_.data();
  op.h_scale = h_scale_;
  op.y_scale = y_scale_;
  op.y_layout = kernel_layout(tensors.output_format);
  op.h_type = kernel_type(tensors.descriptions[kH].type);
  return cuda::launch(op, stream);
}

}  // namespace layoutrt::trt
