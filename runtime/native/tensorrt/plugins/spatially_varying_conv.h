// The plugin SpatiallyVaryingConv: inputs x [N,C,H,W], w [N,C*k*k,H,W], and scale and shift [C] or neither;
// no attributes.
#pragma once

#include <memory>
#include <vector>

#include "tensorrt/plugins/fields.h"
#include "tensorrt/plugins/plugin.h"

namespace layoutrt::trt {

class SpatiallyVaryingConv final : public Plugin {
 public:
  static constexpr const char* kName = "SpatiallyVaryingConv";
  static std::vector<nvinfer1::PluginField> field_names() { return {}; }

  SpatiallyVaryingConv(const char* layer, const FieldReader& fields);

 protected:
  std::unique_ptr<Plugin> copy() const override { return std::make_unique<SpatiallyVaryingConv>(*this); }
  void check(const Shapes& shapes) const override;
  void output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                    nvinfer1::IExprBuilder& builder) const override;
  std::vector<nvinfer1::PluginField> fields() const override { return {}; }
  cudaError_t launch(const Tensors& tensors, cudaStream_t stream) const override;
};

}  // namespace layoutrt::trt
