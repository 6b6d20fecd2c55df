// The real device/launch.cuh on a CUDA runtime that only notes what it is asked for: prints the limit of
// shared memory that is set for each launch, 0 where none is, on devices of two sizes.
#include <cstdio>
#include <device/launch.cuh>

struct Nothing {};

namespace {

int current_device = 0;
int limit = 0;

void kernel(Nothing) {}

}  // namespace

extern "C" {

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (attribute != cudaDevAttrMaxSharedMemoryPerBlockOptin) return cudaErrorInvalidValue;
  *value = device == 0 ? 101376 : 232448;
  return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaErrorInvalidValue;
  limit = value;
  return cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void*, dim3, dim3, void**, size_t shared_bytes, cudaStream_t) {
  std::printf("%d %zu %d\n", current_device, shared_bytes, limit);
  return cudaSuccess;
}
}

int main() {
  for (const int device : {0, 1}) {
    for (const size_t bytes : {40 * 1024, 50 * 1024, 90 * 1024}) {
      current_device = device;
      limit = 0;
      if (layoutrt::cuda::launch_kernel(kernel, dim3(1), dim3(32), bytes, nullptr, Nothing{}) != cudaSuccess)
        return 1;
    }
  }
  return 0;
}
