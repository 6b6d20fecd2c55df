#include "tensorrt/cuda_check.h"

#include "error.h"

namespace layoutrt::trt {
void out_of_memory(const std::string& what) {
  throw Error(LRT_OUT_OF_MEMORY, "the GPU has no memory left to " + what +
                                     "; close other programs that use it, or build the engine for smaller "
                                     "images (layoutrt build-engine --max)");
}

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // what was told here is not told again by the next call
  if (status == cudaErrorMemoryAllocation) out_of_memory(what);
  throw Error(LRT_RUNTIME_ERROR,
              std::string("the GPU could not ") + what + ": " + cudaGetErrorString(status));
}

}  // namespace layoutrt::trt
