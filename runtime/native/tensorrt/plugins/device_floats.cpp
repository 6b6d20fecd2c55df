#include "tensorrt/plugins/device_floats.h"

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace layoutrt::trt {

DeviceFloats::~DeviceFloats() { cudaFree(data_); }

void DeviceFloats::upload(const std::vector<float>& values) {
  if (data_ != nullptr || values.empty()) return;
  const size_t bytes = values.size() * sizeof(float);
  void* memory = nullptr;
  cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaSuccess) status = cudaMemcpy(memory, values.data(), bytes, cudaMemcpyHostToDevice);
  // From pageable memory the call may return before the copy is there, and TensorRT's streams do not wait for
  // the default one.
  if (status == cudaSuccess) status = cudaStreamSynchronize(nullptr);
  if (status != cudaSuccess) {
    cudaFree(memory);
    throw std::runtime_error("could not copy its " + std::to_string(bytes) +
                             " bytes of scales to the GPU: " + cudaGetErrorString(status));
  }
  data_ = static_cast<float*>(memory);
}

}  // namespace layoutrt::trt
