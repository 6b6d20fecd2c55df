// The shared libraries of TensorRT and of our plugins, opened at run time.
#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <string>

namespace layoutrt::trt {

struct Library {
  void* handle;         // of libnvinfer.so
  std::string version;  // of TensorRT, such as "10.3.0"
};

struct OperatorLibrary {
  std::string path;
  std::string version;  // of layoutrt
};

// Open libnvinfer.so of the major version this was compiled for: what LAYOUTRT_TENSORRT names, else what the
// system finds. Once open it stays. Throws Error.
const Library& open_library();

// Find the operator library: what LAYOUTRT_TRT_LIBRARY names, else liblayoutrt_trt.so beside this library.
// Throws Error: it is not there, or built for another major version of TensorRT.
OperatorLibrary find_operator_library(const Library& library);

// Register its plugins with TensorRT, once for a process. Throws Error.
void register_operators(const Library& library, const OperatorLibrary& operators);

// Throws Error.
std::unique_ptr<nvinfer1::IRuntime> make_runtime(const Library& library);

}  // namespace layoutrt::trt
