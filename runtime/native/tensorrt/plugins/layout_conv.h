// The plugin LayoutConv: inputs labels INT32 [N,H,W], table [L,k*k,C], bias [C]; attribute strides [s,s].
#pragma once

#include <memory>
#include <vector>

#include "tensorrt/plugins/fields.h"
#include "tensorrt/plugins/plugin.h"

namespace layoutrt::trt {

class LayoutConv final : public Plugin {
 public:
  static constexpr const char* kName = "LayoutConv";
  static std::vector<nvinfer1::PluginField> field_names();

  LayoutConv(const char* layer, const FieldReader& fields);

 protected:
  std::unique_ptr<Plugin> copy() const override { return std::make_unique<LayoutConv>(*this); }
  bool may_lack_affine() const override { return false; }
  void check(const Shapes& shapes) const override;
  void output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                    nvinfer1::IExprBuilder& builder) const override;
  std::vector<nvinfer1::PluginField> fields() const override;
  cudaError_t launch(const Tensors& tensors, cudaStream_t stream) const override;

 private:
  std::vector<int32_t> strides_;
};

}  // namespace layoutrt::trt
