// Launch of kernels and access to their shared memory, all of which is dynamic. The tests replace this
// header (tests/native/cuda/emulation).
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace layoutrt::cuda {

extern __shared__ __align__(16) unsigned char dynamic_shared_memory[];

// The block's shared memory, aligned to 16 bytes.
__device__ inline unsigned char* shared_memory() { return dynamic_shared_memory; }

template <class Parameters>
cudaError_t launch_kernel(void (*kernel)(Parameters), dim3 grid, dim3 block, size_t shared_bytes,
                          cudaStream_t stream, Parameters parameters) {
  const void* function = reinterpret_cast<const void*>(kernel);
  // More than every device gives unasked. The limit belongs to the kernel, so it is always set to all that
  // the device has: to what this launch needs, it would fall below what another thread is about to launch.
  if (shared_bytes > 48 * 1024) {
    int device = 0, most = 0;
    cudaError_t status = cudaGetDevice(&device);
    if (status == cudaSuccess) {
      status = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    }
    if (status == cudaSuccess) {
      status = cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
    }
    if (status != cudaSuccess) return status;
  }
  void* arguments[] = {&parameters};
  return cudaLaunchKernel(function, grid, block, arguments, shared_bytes, stream);
}

}  // namespace layoutrt::cuda
