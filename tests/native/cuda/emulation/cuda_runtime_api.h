// What the kernels' launchers and the tests' driver use of CUDA's runtime, on the CPU. Device memory ends at
// a page that nobody may touch. Functions are inline, so that they can stand beside the real library's.
#pragma once

#include <cstddef>

// The names that real signatures have after mangling.
enum cudaError {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorIllegalAddress = 700,
  cudaErrorMisalignedAddress = 716,
  cudaErrorLaunchFailure = 719,
};
typedef enum cudaError cudaError_t;
typedef struct CUstream_st* cudaStream_t;

enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };

enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace emulation {
cudaError_t allocate(void** pointer, size_t bytes);
cudaError_t release(void* pointer);
cudaError_t copy(void* to, const void* from, size_t bytes);
int multiprocessors();
}  // namespace emulation

template <class T>
inline cudaError_t cudaMalloc(T** pointer, size_t bytes) {
  return emulation::allocate(reinterpret_cast<void**>(pointer), bytes);
}
// Fails where something was written just before or behind the memory.
inline cudaError_t cudaFree(void* pointer) { return emulation::release(pointer); }
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  return emulation::copy(to, from, bytes);
}
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
// Of the multiprocessors with the least shared memory that the kernels are compiled for (8.6, 8.9, 12.0).
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? emulation::multiprocessors() : 100 * 1024;
  return cudaSuccess;
}
