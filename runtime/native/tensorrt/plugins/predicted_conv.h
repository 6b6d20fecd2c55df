// The plugin PredictedConv; predicted_kernels.h has its inputs and its attribute.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensorrt/plugins/fields.h"
#include "tensorrt/plugins/plugin.h"

namespace layoutrt::trt {

class PredictedConv final : public Plugin {
 public:
  static constexpr const char* kName = "PredictedConv";
  static std::vector<nvinfer1::PluginField> field_names();

  PredictedConv(const char* layer, const FieldReader& fields);

 protected:
  std::unique_ptr<Plugin> copy() const override { return std::make_unique<PredictedConv>(*this); }
  void check(const Shapes& shapes) const override;
  void output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                    nvinfer1::IExprBuilder& builder) const override;
  std::vector<nvinfer1::PluginField> fields() const override;
  cudaError_t launch(const Tensors& tensors, cudaStream_t stream) const override;

 private:
  std::string weight_layout_;
};

}  // namespace layoutrt::trt
