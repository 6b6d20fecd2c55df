// The plugin QuantizedPredictedConv; predicted_kernels.h has its inputs, of which the weight is INT8. Its
// attributes beside weight_layout: h_scale, h_zero_point, weight_scale [C], and, where the output is to be
// INT8, y_scale.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensorrt/plugins/device_floats.h"
#include "tensorrt/plugins/fields.h"
#include "tensorrt/plugins/plugin.h"

namespace layoutrt::trt {

class QuantizedPredictedConv final : public Plugin {
 public:
  static constexpr const char* kName = "QuantizedPredictedConv";
  static std::vector<nvinfer1::PluginField> field_names();

  QuantizedPredictedConv(const char* layer, const FieldReader& fields);

 protected:
  nvinfer1::DataType output_type(nvinfer1::DataType type) const override;
  bool supports_output(const nvinfer1::PluginTensorDesc& output) const override;
  std::unique_ptr<Plugin> copy() const override { return std::make_unique<QuantizedPredictedConv>(*this); }
  void check(const Shapes& shapes) const override;
  void output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                    nvinfer1::IExprBuilder& builder) const override;
  std::vector<nvinfer1::PluginField> fields() const override;
  cudaError_t launch(const Tensors& tensors, cudaStream_t stream) const override;
  void prepare() override { device_weight_scale_.upload(weight_scale_); }

 private:
  std::string weight_layout_;
  float h_scale_;
  int32_t h_zero_point_;
  std::vector<float> weight_scale_;
  float y_scale_;                     // 0: the output is not quantized
  DeviceFloats device_weight_scale_;  // uploaded before the first enqueue, which then allocates nothing
};

}  // namespace layoutrt::trt
