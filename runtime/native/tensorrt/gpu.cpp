#include "tensorrt/gpu.h"

#include <cuda_runtime_api.h>

#include "error.h"
#include "tensorrt/cuda_check.h"

namespace layoutrt::trt {
namespace {

constexpr const char* kOnCpu = ", or run the .onnx file on the CPU";

std::string version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

// The static CUDA runtime says cudaErrorInsufficientDriver for a missing driver too.
[[noreturn]] void refuse_driver() {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) {
    throw Error(LRT_NOT_FOUND,
                std::string("this machine has no NVIDIA driver, so no GPU; install one") + kOnCpu);
  }
  throw Error(LRT_NOT_FOUND, "the NVIDIA driver is too old: it supports CUDA " + version(driver) +
                                 " and layoutrt was built with CUDA " + version(CUDART_VERSION) +
                                 "; install a newer driver" + kOnCpu);
}

int attribute(cudaDeviceAttr name, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, name, device), "be described");
  return value;
}

}  // namespace

Gpu current_gpu() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) refuse_driver();
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    cudaGetLastError();
    throw Error(LRT_NOT_FOUND, std::string("this process can use no NVIDIA GPU; check nvidia-smi and "
                                           "CUDA_VISIBLE_DEVICES") +
                                   kOnCpu);
  }
  check(status, "be found");
  Gpu gpu;
  check(cudaGetDevice(&gpu.device), "tell the current device");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, gpu.device), "be described");
  gpu.name = properties.name;
  gpu.compute_capability = std::to_string(attribute(cudaDevAttrComputeCapabilityMajor, gpu.device)) + "." +
                           std::to_string(attribute(cudaDevAttrComputeCapabilityMinor, gpu.device));
  return gpu;
}

}  // namespace layoutrt::trt
