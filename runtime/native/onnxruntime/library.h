// The shared library of ONNX Runtime, opened at run time.
#pragma once

#include <string>

#include "onnxruntime/abi.h"

namespace layoutrt::ort {

struct Library {
  const OrtApi* table;
  Functions api;
  OrtEnv* env;
  std::string version;  // of ONNX Runtime, such as "1.32.0"
};

// Open the library at `path`; null: what LAYOUTRT_ONNXRUNTIME names, else what the system finds. Once open, a
// library stays: it has threads of its own. Throws Error.
const Library& open_library(const char* path);

}  // namespace layoutrt::ort
