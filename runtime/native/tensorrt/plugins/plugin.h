// Base of the plugins: one output, fixed roles of the inputs, checks of shapes, serialization by fields.
#pragma once

#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <memory>
#include <string>
#include <vector>

#include "cuda/operators.h"

namespace layoutrt::trt {

constexpr const char* kNamespace = "layoutrt";
constexpr const char* kVersion = "1";

// Role of an input. All kFloat tensors of a node have one type, FP32 or FP16; so has the output, unless a
// plugin says otherwise.
enum class Role {
  kLabels,             // INT32
  kFloat,              // FP32 or FP16
  kInt8,               // INT8
  kFeatures,           // as kFloat; in FP16 also with channels innermost (kHWC8)
  kQuantizedFeatures,  // as kFeatures; or INT8, also in groups of 32 channels (kCHW32)
};

// Shapes of a node. While an engine is built a dimension may be -1: not known yet.
struct Shapes {
  std::vector<nvinfer1::Dims> inputs;
  nvinfer1::Dims output;
};

// Arguments of a launch.
struct Tensors {
  const nvinfer1::PluginTensorDesc* descriptions;  // of the inputs
  const void* const* inputs;
  void* output;
  nvinfer1::TensorFormat output_format;
  bool has_affine;

  int32_t dim(int32_t input, int32_t axis) const {
    return static_cast<int32_t>(descriptions[input].dims.d[axis]);
  }
};

// Bases in the order of TensorRT's own samples; a derived class adds its attributes.
class Plugin : public nvinfer1::IPluginV3,
               public nvinfer1::IPluginV3OneCore,
               public nvinfer1::IPluginV3OneBuild,
               public nvinfer1::IPluginV3OneRuntime {
 public:
  // IPluginV3
  nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override;
  nvinfer1::IPluginV3* clone() noexcept override;

  // IPluginV3OneCore
  const char* getPluginName() const noexcept override { return kind_; }
  const char* getPluginVersion() const noexcept override { return kVersion; }
  const char* getPluginNamespace() const noexcept override { return kNamespace; }

  // IPluginV3OneBuild
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t configurePlugin(const nvinfer1::DynamicPluginTensorDesc* inputs, int32_t input_count,
                          const nvinfer1::DynamicPluginTensorDesc* outputs,
                          int32_t output_count) noexcept override;
  bool supportsFormatCombination(int32_t position, const nvinfer1::DynamicPluginTensorDesc* tensors,
                                 int32_t input_count, int32_t output_count) noexcept override;
  int32_t getOutputDataTypes(nvinfer1::DataType* outputs, int32_t output_count,
                             const nvinfer1::DataType* inputs, int32_t input_count) const noexcept override;
  int32_t getOutputShapes(const nvinfer1::DimsExprs* inputs, int32_t input_count,
                          const nvinfer1::DimsExprs* shape_inputs, int32_t shape_input_count,
                          nvinfer1::DimsExprs* outputs, int32_t output_count,
                          nvinfer1::IExprBuilder& builder) noexcept override;
  size_t getWorkspaceSize(const nvinfer1::DynamicPluginTensorDesc*, int32_t,
                          const nvinfer1::DynamicPluginTensorDesc*, int32_t) const noexcept override {
    return 0;
  }
  const char* getTimingCacheID() noexcept override { return timing_cache_id_.c_str(); }

  // IPluginV3OneRuntime
  int32_t onShapeChange(const nvinfer1::PluginTensorDesc* inputs, int32_t input_count,
                        const nvinfer1::PluginTensorDesc* outputs, int32_t output_count) noexcept override;
  int32_t enqueue(const nvinfer1::PluginTensorDesc* input_descriptions,
                  const nvinfer1::PluginTensorDesc* output_descriptions, const void* const* inputs,
                  void* const* outputs, void* workspace, cudaStream_t stream) noexcept override;
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept override;
  const nvinfer1::PluginFieldCollection* getFieldsToSerialize() noexcept override;

 protected:
  // `kind` lives for good, `layer` is the node's name in sentences. The state of `timing_state` is what
  // measured times depend on beside shapes and formats.
  Plugin(const char* kind, const char* layer, std::vector<Role> roles, const std::string& timing_state);
  Plugin(const Plugin&) = default;

  // Number of inputs at the end of roles_ that may be missing: the affine.
  static constexpr int32_t kAffineInputs = 2;

  virtual std::unique_ptr<Plugin> copy() const = 0;
  virtual bool may_lack_affine() const { return true; }
  // Type of the output, where the kFloat tensors have `type`, and whether it may have the format described.
  virtual nvinfer1::DataType output_type(nvinfer1::DataType type) const { return type; }
  virtual bool supports_output(const nvinfer1::PluginTensorDesc& output) const {
    return output.format == nvinfer1::TensorFormat::kLINEAR;
  }
  // Throws std::invalid_argument, whose text completes a sentence that starts with the node.
  virtual void check(const Shapes& shapes) const = 0;
  virtual void output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                            nvinfer1::IExprBuilder& builder) const = 0;
  virtual std::vector<nvinfer1::PluginField> fields() const = 0;
  virtual cudaError_t launch(const Tensors& tensors, cudaStream_t stream) const = 0;
  // Give the device what a launch needs beside the tensors. Throws std::runtime_error.
  virtual void prepare() {}

 private:
  std::string where() const;  // such as "PredictedConv 'node_12'"
  bool right_count(int32_t input_count, int32_t output_count) const;
  int32_t check_all(Shapes shapes, int32_t input_count, int32_t output_count) const noexcept;
  size_t first_float() const;

  const char* kind_;
  std::string layer_;
  std::vector<Role> roles_;
  std::string timing_cache_id_;
  int32_t input_count_ = 0;  // of the last onShapeChange, which comes before every enqueue
  std::vector<nvinfer1::PluginField> fields_;
  nvinfer1::PluginFieldCollection collection_{};
};

// Type of a tensor as the kernels call it.
cuda::Type kernel_type(nvinfer1::DataType type);
cuda::Layout kernel_layout(nvinfer1::TensorFormat format);

}  // namespace layoutrt::trt
