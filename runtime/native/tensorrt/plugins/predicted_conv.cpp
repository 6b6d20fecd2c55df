#include "tensorrt/plugins/predicted_conv.h"

#include "tensorrt/plugins/predicted_kernels.h"

namespace layoutrt::trt {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

std::vector<PluginField> PredictedConv::field_names() {
  return {PluginField(kWeightLayout, nullptr, PluginFieldType::kCHAR, 0)};
}

PredictedConv::PredictedConv(const char* layer, const FieldReader& fields)
    : Plugin(kName, layer,
             {Role::kFloat, Role::kFeatures, Role::kFloat, Role::kFloat, Role::kFloat, Role::kFloat}, ""),
      weight_layout_(read_weight_layout(fields)) {}

void PredictedConv::check(const Shapes& shapes) const { check_predicted(shapes); }

void PredictedConv::output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                                 nvinfer1::IExprBuilder&) const {
  *output = inputs[kX];
}

std::vector<PluginField> PredictedConv::fields() const {
  return {PluginField(kWeightLayout, weight_layout_.data(), PluginFieldType::kCHAR,
                      static_cast<int32_t>(weight_layout_.size()))};
}

cudaError_t PredictedConv::launch(const Tensors& tensors, cudaStream_t stream) const {
  cuda::PredictedConv op{};
  describe_predicted(tensors, &op);
  op.weight = tensors.inputs[kWeight];
  return cuda::launch(op, stream);
}

}  // namespace layoutrt::trt
