// Between cudaError_t and exceptions.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace layoutrt::trt {

// Throws Error where a call failed. `what` completes "the GPU could not …". Out of memory is
// LRT_OUT_OF_MEMORY, with what helps against it.
void check(cudaError_t status, const char* what);

// Throws Error: no memory is left. `what` completes "the GPU has no memory left to …".
[[noreturn]] void out_of_memory(const std::string& what);

}  // namespace layoutrt::trt
