// Limits of the current device that decide how work is divided.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace layoutrt::cuda {

struct DeviceLimits {
  int multiprocessors = 0;
  int shared_bytes = 0;  // of a multiprocessor
};

inline cudaError_t query(DeviceLimits& limits) {
  int device = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess) {
    status = cudaDeviceGetAttribute(&limits.multiprocessors, cudaDevAttrMultiProcessorCount, device);
  }
  if (status == cudaSuccess) {
    status =
        cudaDeviceGetAttribute(&limits.shared_bytes, cudaDevAttrMaxSharedMemoryPerMultiprocessor, device);
  }
  return status;
}

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// True if vectors of `bytes` can be read and written from this address on.
inline bool is_aligned(const void* pointer, uintptr_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

// Blocks of a grid lie on its x axis, the only one that holds more than 65535.
inline bool fits_grid(int64_t blocks) { return blocks <= INT32_MAX; }

}  // namespace layoutrt::cuda
