// Models compiled by TensorRT, run on an NVIDIA GPU.
#pragma once

#include <memory>
#include <string>

#include "engine.h"

namespace layoutrt {

// True if this build has TensorRT's part.
bool has_tensorrt();

// Open an engine file and its manifest, on the calling thread's current CUDA device. Throws Error.
std::unique_ptr<Engine> open_tensorrt(const std::string& path, const lrt_session_options& options);

}  // namespace layoutrt
