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

// Open the library at `path`; null: what LAYOUTRT_ONNXRUNTIME names, else the one beside this library, else
// what the system finds. Once open, a library stays: it has threads of its own. Its telemetry is off, unless
// ORT_DISABLE_TELEMETRY is 0. Throws Error.
const Library& open_library(const char* path);

// True if a version of ONNX Runtime, such as "1.19.2", is older than what this library works with.
bool is_too_old(const std::string& version);

}  // namespace layoutrt::ort
