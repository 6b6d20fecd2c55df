// Checks of what a caller gives to a run on device memory.
#pragma once

#include <cuda_runtime_api.h>

#include "layoutrt/layoutrt.h"

namespace layoutrt::trt {

// Each throws Error with LRT_INVALID_ARGUMENT.
//
// A stream that is being captured: what a session does besides its kernels cannot be.
void refuse_capture(cudaStream_t stream);
// Address of a tensor for GPU `device`; refused: one that it cannot reach, or that does not start where
// TensorRT wants it. `kind` is "input" or "output".
void* device_address(const char* kind, const lrt_tensor& tensor, int device);

}  // namespace layoutrt::trt
