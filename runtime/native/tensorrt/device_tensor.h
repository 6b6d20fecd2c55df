// Checks of what a caller gives to a run on device memory.
#pragma once

#include <cuda_runtime_api.h>

#include "layoutrt/layoutrt.h"

namespace layoutrt::trt {

// Each throws Error with LRT_INVALID_ARGUMENT.
//
// A stream that is being captured: what a session does besides its kernels cannot be.
void refuse_capture(cudaStream_t stream);
// A tensor that GPU `device` cannot reach, or that does not start where TensorRT wants it. `kind` is "input"
// or "output".
void check_device_tensor(const char* kind, const lrt_tensor& tensor, int device);

}  // namespace layoutrt::trt
