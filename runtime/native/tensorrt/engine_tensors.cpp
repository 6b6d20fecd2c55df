#include "tensorrt/engine_tensors.h"

#include <algorithm>

#include "dtype.h"
#include "error.h"

namespace layoutrt::trt {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::OptProfileSelector;

namespace {

lrt_dtype dtype_of(DataType type) {
  switch (type) {
    case DataType::kFLOAT: return LRT_FLOAT32;
    case DataType::kHALF: return LRT_FLOAT16;
    case DataType::kINT8: return LRT_INT8;
    case DataType::kINT32: return LRT_INT32;
    case DataType::kBOOL: return LRT_BOOL;
    case DataType::kUINT8: return LRT_UINT8;
    case DataType::kINT64: return LRT_INT64;
    default: return LRT_UNDEFINED;  // types of weights and of what lies between layers
  }
}

bool is_static(const Dims& dims) {
  return std::none_of(dims.d, dims.d + std::max(dims.nbDims, 0), [](int64_t dim) { return dim < 0; });
}

bool fits(const Dims& shape, const ShapeRange& range) {
  if (shape.nbDims != range.min.nbDims) return false;
  for (int32_t i = 0; i < shape.nbDims; ++i) {
    if (shape.d[i] < range.min.d[i] || shape.d[i] > range.max.d[i]) return false;
  }
  return true;
}

TensorInfo read_info(const nvinfer1::ICudaEngine& engine, const char* tensor, const std::string& name) {
  const auto refuse = [&](const std::string& what) {
    throw Error(LRT_INVALID_MODEL, name + " has the tensor '" + tensor + "' " + what +
                                       "; build the engine with layoutrt build-engine");
  };
  TensorInfo info;
  info.name = tensor;
  info.dtype = dtype_of(engine.getTensorDataType(tensor));
  if (info.dtype == LRT_UNDEFINED) refuse("of a type that cannot be given");
  if (engine.getTensorLocation(tensor) != nvinfer1::TensorLocation::kDEVICE) {
    refuse("in host memory, as an engine whose shapes depend on values");
  }
  if (engine.getTensorFormat(tensor) != nvinfer1::TensorFormat::kLINEAR)
    refuse("in a format of TensorRT's own");
  const Dims dims = engine.getTensorShape(tensor);
  if (dims.nbDims < 0 || dims.nbDims > LRT_MAX_RANK) refuse("of an unknown shape");
  info.dims.assign(dims.d, dims.d + dims.nbDims);
  return info;
}

}  // namespace

EngineTensors read_tensors(const nvinfer1::ICudaEngine& engine, const std::string& name) {
  EngineTensors tensors;
  for (int32_t i = 0; i < engine.getNbIOTensors(); ++i) {
    const char* tensor = engine.getIOTensorName(i);
    TensorInfo info = read_info(engine, tensor, name);
    if (engine.getTensorIOMode(tensor) != nvinfer1::TensorIOMode::kINPUT) {
      tensors.outputs.push_back(std::move(info));
      continue;
    }
    EngineInput input{std::move(info), {}};
    const Dims shape = engine.getTensorShape(tensor);
    for (int32_t profile = 0; profile < engine.getNbOptimizationProfiles(); ++profile) {
      const auto side = [&](OptProfileSelector select) {
        return is_static(shape) ? shape : engine.getProfileShape(tensor, profile, select);
      };
      input.profiles.push_back(
          {side(OptProfileSelector::kMIN), side(OptProfileSelector::kOPT), side(OptProfileSelector::kMAX)});
    }
    tensors.inputs.push_back(std::move(input));
  }
  return tensors;
}

int32_t choose_profile(const std::vector<EngineInput>& inputs, const std::vector<Dims>& shapes) {
  const size_t profiles = inputs.empty() ? 1 : inputs.front().profiles.size();
  int32_t chosen = -1;
  for (size_t profile = 0; profile < profiles; ++profile) {
    bool holds = true;
    bool tuned = true;
    for (size_t i = 0; i < inputs.size(); ++i) {
      holds = holds && fits(shapes[i], inputs[i].profiles[profile]);
      tuned = tuned && equal(shapes[i], inputs[i].profiles[profile].opt);
    }
    if (tuned) return static_cast<int32_t>(profile);
    if (holds && chosen < 0) chosen = static_cast<int32_t>(profile);
  }
  if (chosen >= 0) return chosen;
  // Say which input is out of every range; where it takes all of them together, the first.
  size_t blamed = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto& ranges = inputs[i].profiles;
    if (std::none_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return fits(shapes[i], range); })) {
      blamed = i;
      break;
    }
  }
  std::string ranges;
  for (const ShapeRange& range : inputs[blamed].profiles) {
    ranges += (ranges.empty() ? "" : ", or ") + text(range.min) + " to " + text(range.max);
  }
  throw Error(LRT_INVALID_ARGUMENT,
              "input '" + inputs[blamed].info.name + "' is " + text(shapes[blamed]) +
                  ", and the engine takes " + ranges +
                  "; build one for this size with: layoutrt build-engine --min HxW --opt "
                  "HxW --max HxW");
}

Dims dims_of(const lrt_tensor& tensor) {
  Dims dims{};
  dims.nbDims = tensor.rank;
  std::copy(tensor.dims, tensor.dims + tensor.rank, dims.d);
  return dims;
}

bool equal(const Dims& a, const Dims& b) {
  return a.nbDims == b.nbDims && std::equal(a.d, a.d + a.nbDims, b.d);
}

size_t bytes_of(const Dims& dims, lrt_dtype dtype) {
  size_t bytes = traits(dtype).bytes;
  for (int32_t i = 0; i < dims.nbDims; ++i) bytes *= static_cast<size_t>(dims.d[i]);
  return bytes;
}

std::string text(const Dims& dims) {
  std::string result = "[";
  for (int32_t i = 0; i < dims.nbDims; ++i) result += (i > 0 ? ", " : "") + std::to_string(dims.d[i]);
  return result + "]";
}

}  // namespace layoutrt::trt
