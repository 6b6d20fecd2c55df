// Inputs and outputs of an engine, and the shapes it takes.
#pragma once

#include <NvInferRuntime.h>

#include <string>
#include <vector>

#include "engine.h"

namespace layoutrt::trt {

struct ShapeRange {
  nvinfer1::Dims min, opt, max;
};

struct EngineInput {
  TensorInfo info;
  std::vector<ShapeRange> profiles;  // one for each of the engine's optimization profiles
};

struct EngineTensors {
  std::vector<EngineInput> inputs;
  std::vector<TensorInfo> outputs;
};

// Throws Error: a tensor has a type, format or place that the C API does not carry.
EngineTensors read_tensors(const nvinfer1::ICudaEngine& engine, const std::string& name);

// Number of the profile to run these shapes with, in the order of `inputs`: one that was tuned for just them,
// else the first whose range holds them. Throws Error: none does.
int32_t choose_profile(const std::vector<EngineInput>& inputs, const std::vector<nvinfer1::Dims>& shapes);

nvinfer1::Dims dims_of(const lrt_tensor& tensor);
bool equal(const nvinfer1::Dims& a, const nvinfer1::Dims& b);
size_t bytes_of(const nvinfer1::Dims& dims, lrt_dtype dtype);
std::string text(const nvinfer1::Dims& dims);  // such as "[1, 192, 256]"

}  // namespace layoutrt::trt
