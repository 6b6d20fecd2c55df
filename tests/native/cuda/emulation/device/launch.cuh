// Stands for runtime/native/cuda/device/launch.cuh.
#pragma once

#include <cuda_runtime.h>

namespace layoutrt::cuda {

using emulation::shared_memory;

template <class Parameters>
cudaError_t launch_kernel(void (*kernel)(Parameters), dim3 grid, dim3 block, size_t shared_bytes,
                          cudaStream_t, Parameters parameters) {
  struct Call {
    void (*kernel)(Parameters);
    Parameters parameters;
  } call{kernel, parameters};
  const auto body = [](void* data) {
    static_cast<Call*>(data)->kernel(static_cast<Call*>(data)->parameters);
  };
  return emulation::run(body, &call, grid, block, shared_bytes);
}

}  // namespace layoutrt::cuda
