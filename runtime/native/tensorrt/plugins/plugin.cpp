#include "tensorrt/plugins/plugin.h"

#include <exception>
#include <limits>
#include <stdexcept>

#include "layoutrt/layoutrt.h"
#include "tensorrt/plugins/log.h"

#define LRT_TEXT_OF(number) #number
#define LRT_TEXT(number) LRT_TEXT_OF(number)

namespace layoutrt::trt {

using nvinfer1::DataType;
using nvinfer1::TensorFormat;

namespace {

// Kernels may get faster with a new version, so measured times are kept for one version only.
constexpr const char* kLibraryVersion =
    LRT_TEXT(LRT_VERSION_MAJOR) "." LRT_TEXT(LRT_VERSION_MINOR) "." LRT_TEXT(LRT_VERSION_PATCH);

// Remedy for a failed launch; "" if none is known.
const char* launch_remedy(cudaError_t status) {
  // The second is how asking for a kernel's attributes fails, the third what a driver says to newer PTX.
  if (status != cudaErrorNoKernelImageForDevice && status != cudaErrorInvalidDeviceFunction &&
      status != cudaErrorUnsupportedPtxVersion) {
    return "";
  }
  return "; the operator library has no code for this GPU, so reinstall layoutrt on this machine with "
         "-C cmake.define.CMAKE_CUDA_ARCHITECTURES=native (compute capability 8.0 or newer)";
}

bool is_float(DataType type) { return type == DataType::kFLOAT || type == DataType::kHALF; }

}  // namespace

cuda::Type kernel_type(DataType type) {
  switch (type) {
    case DataType::kHALF: return cuda::Type::kHalf;
    case DataType::kINT8: return cuda::Type::kInt8;
    case DataType::kUINT8: return cuda::Type::kUint8;
    case DataType::kINT32: return cuda::Type::kInt32;
    default: return cuda::Type::kFloat;
  }
}

cuda::Layout kernel_layout(TensorFormat format) {
  switch (format) {
    case TensorFormat::kHWC8: return cuda::Layout::kNhwc8;
    case TensorFormat::kCHW32: return cuda::Layout::kNchw32;
    default: return cuda::Layout::kNchw;
  }
}

Plugin::Plugin(const char* kind, const char* layer, std::vector<Role> roles, const std::string& timing_state)
    : kind_(kind),
      layer_(layer == nullptr ? "" : layer),
      roles_(std::move(roles)),
      timing_cache_id_(std::string("layoutrt ") + kLibraryVersion + " " + kind + " " + timing_state) {}

std::string Plugin::where() const { return std::string(kind_) + " '" + layer_ + "'"; }

size_t Plugin::first_float() const {
  size_t i = 0;
  while (roles_[i] != Role::kFloat) ++i;
  return i;
}

bool Plugin::right_count(int32_t input_count, int32_t output_count) const {
  const auto most = static_cast<int32_t>(roles_.size());
  return output_count == 1 &&
         (input_count == most || (may_lack_affine() && input_count == most - kAffineInputs));
}

nvinfer1::IPluginCapability* Plugin::getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept {
  switch (type) {
    case nvinfer1::PluginCapabilityType::kCORE: return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case nvinfer1::PluginCapabilityType::kBUILD: return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME: return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
  }
  return nullptr;
}

nvinfer1::IPluginV3* Plugin::clone() noexcept {
  try {
    return copy().release();
  } catch (const std::exception& error) {
    log_error(where() + " could not be cloned: " + error.what());
    return nullptr;
  }
}

int32_t Plugin::check_all(Shapes shapes, int32_t input_count, int32_t output_count) const noexcept {
  try {
    if (!right_count(input_count, output_count)) {
      throw std::invalid_argument("has " + std::to_string(input_count) +
                                  " inputs, which is not what it takes");
    }
    for (const nvinfer1::Dims& dims : shapes.inputs) {
      for (int32_t i = 0; i < dims.nbDims; ++i) {
        if (dims.d[i] > std::numeric_limits<int32_t>::max()) {
          throw std::invalid_argument("has a tensor of more than 2^31 - 1 elements in one dimension");
        }
      }
    }
    check(shapes);
    return 0;
  } catch (const std::exception& error) {
    log_error(where() + " " + error.what());
    return -1;
  }
}

int32_t Plugin::configurePlugin(const nvinfer1::DynamicPluginTensorDesc* inputs, int32_t input_count,
                                const nvinfer1::DynamicPluginTensorDesc* outputs,
                                int32_t output_count) noexcept {
  Shapes shapes;
  for (int32_t i = 0; i < input_count; ++i) shapes.inputs.push_back(inputs[i].desc.dims);
  if (output_count > 0) shapes.output = outputs[0].desc.dims;
  return check_all(std::move(shapes), input_count, output_count);
}

bool Plugin::supportsFormatCombination(int32_t position, const nvinfer1::DynamicPluginTensorDesc* tensors,
                                       int32_t input_count, int32_t output_count) noexcept {
  if (!right_count(input_count, output_count) || position < 0 || position > input_count) return false;
  const auto index = static_cast<size_t>(position);
  const nvinfer1::PluginTensorDesc& tensor = tensors[position].desc;
  const bool linear = tensor.format == TensorFormat::kLINEAR;
  // Only what stands before `position` has values yet.
  const size_t deciding = first_float();
  if (position == input_count) {
    return tensor.type == output_type(tensors[deciding].desc.type) && supports_output(tensor);
  }
  const Role role = roles_[index];
  if (role == Role::kLabels) return linear && tensor.type == DataType::kINT32;
  if (role == Role::kInt8) return linear && tensor.type == DataType::kINT8;
  if (index == deciding) return linear && is_float(tensor.type);
  const DataType type = tensors[deciding].desc.type;
  if (role == Role::kQuantizedFeatures && tensor.type == DataType::kINT8) {
    // Integer convolutions on tensor cores write such groups, so that nothing is reformatted.
    return linear || tensor.format == TensorFormat::kCHW32;
  }
  if (tensor.type != type) return false;
  const bool features = role == Role::kFeatures || role == Role::kQuantizedFeatures;
  return linear || (features && type == DataType::kHALF && tensor.format == TensorFormat::kHWC8);
}

int32_t Plugin::getOutputDataTypes(DataType* outputs, int32_t output_count, const DataType* inputs,
                                   int32_t input_count) const noexcept {
  if (!right_count(input_count, output_count)) return -1;
  outputs[0] = output_type(inputs[first_float()]);
  return 0;
}

int32_t Plugin::getOutputShapes(const nvinfer1::DimsExprs* inputs, int32_t input_count,
                                const nvinfer1::DimsExprs*, int32_t, nvinfer1::DimsExprs* outputs,
                                int32_t output_count, nvinfer1::IExprBuilder& builder) noexcept {
  try {
    if (!right_count(input_count, output_count)) {
      throw std::invalid_argument("has " + std::to_string(input_count) +
                                  " inputs, which is not what it takes");
    }
    output_shape(inputs, outputs, builder);
    return 0;
  } catch (const std::exception& error) {
    log_error(where() + " " + error.what());
    return -1;
  }
}

int32_t Plugin::onShapeChange(const nvinfer1::PluginTensorDesc* inputs, int32_t input_count,
                              const nvinfer1::PluginTensorDesc* outputs, int32_t output_count) noexcept {
  Shapes shapes;
  for (int32_t i = 0; i < input_count; ++i) shapes.inputs.push_back(inputs[i].dims);
  if (output_count > 0) shapes.output = outputs[0].dims;
  if (check_all(std::move(shapes), input_count, output_count) != 0) return -1;
  input_count_ = input_count;
  try {
    // A plugin that the builder times was perhaps never attached to a context.
    prepare();
    return 0;
  } catch (const std::exception& error) {
    log_error(where() + " " + error.what());
    return -1;
  }
}

int32_t Plugin::enqueue(const nvinfer1::PluginTensorDesc* input_descriptions,
                        const nvinfer1::PluginTensorDesc* output_descriptions, const void* const* inputs,
                        void* const* outputs, void*, cudaStream_t stream) noexcept {
  const bool has_affine = input_count_ == static_cast<int32_t>(roles_.size());
  const cudaError_t status =
      launch({input_descriptions, inputs, outputs[0], output_descriptions[0].format, has_affine}, stream);
  if (status == cudaSuccess) return 0;
  log_error(where() + " could not be launched: " + cudaGetErrorString(status) + launch_remedy(status));
  return -1;
}

nvinfer1::IPluginV3* Plugin::attachToContext(nvinfer1::IPluginResourceContext*) noexcept {
  try {
    std::unique_ptr<Plugin> attached = copy();
    attached->prepare();
    return attached.release();
  } catch (const std::exception& error) {
    log_error(where() + " " + error.what());
    return nullptr;
  }
}

const nvinfer1::PluginFieldCollection* Plugin::getFieldsToSerialize() noexcept {
  try {
    fields_ = fields();
    collection_ = {static_cast<int32_t>(fields_.size()), fields_.data()};
    return &collection_;
  } catch (const std::exception& error) {
    log_error(where() + " could not be serialized: " + error.what());
    return nullptr;
  }
}

}  // namespace layoutrt::trt
