#include "tensorrt/device_tensor.h"

#include <cstdint>
#include <string>

#include "error.h"
#include "tensorrt/cuda_check.h"

namespace layoutrt::trt {
namespace {

constexpr size_t kAlignment = 256;  // NvInferRuntime.h on IExecutionContext::setInputTensorAddress

}  // namespace

void refuse_capture(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &status), "use the stream");
  if (status == cudaStreamCaptureStatusNone) return;
  throw Error(
      LRT_INVALID_ARGUMENT,
      "the stream is being captured into a CUDA graph; a session captures its own, so run it outside");
}

void* device_address(const char* kind, const lrt_tensor& tensor, int device) {
  const auto refuse = [&](const std::string& what) {
    throw Error(LRT_INVALID_ARGUMENT, std::string(kind) + " '" + tensor.name + "' " + what);
  };
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, tensor.data), "look at an address");
  // Page-locked memory of the host may have another address on the GPU, or none.
  void* const address = attributes.devicePointer;
  if (attributes.type == cudaMemoryTypeUnregistered || address == nullptr) {
    refuse("is not in memory that the GPU reaches; give a pointer of cudaMalloc, or use lrt_session_run");
  }
  // An access to it would end the process's use of the GPU.
  if (attributes.type == cudaMemoryTypeDevice && attributes.device != device) {
    refuse("is in the memory of GPU " + std::to_string(attributes.device) + " and the session runs on GPU " +
           std::to_string(device) + "; copy it there first");
  }
  if (reinterpret_cast<uintptr_t>(address) % kAlignment != 0) {
    refuse("must start at a multiple of 256 bytes, as TensorRT asks");
  }
  return address;
}

}  // namespace layoutrt::trt
