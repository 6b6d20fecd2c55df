// Models run by ONNX Runtime on the CPU, with the operators of this library.
#pragma once

#include <memory>

#include "engine.h"

namespace layoutrt {

// Throws Error.
std::unique_ptr<Engine> open_onnxruntime(const char* model_path, const lrt_session_options& options);
std::unique_ptr<Engine> open_onnxruntime(const void* data, size_t size, const lrt_session_options& options);

}  // namespace layoutrt
