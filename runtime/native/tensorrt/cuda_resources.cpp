#include "tensorrt/cuda_resources.h"

#include <cstdio>

#include "tensorrt/cuda_check.h"

namespace layoutrt::trt {
namespace {

std::string allocate(size_t bytes, const std::string& what) {
  char megabytes[32];
  std::snprintf(megabytes, sizeof(megabytes), "%.1f", static_cast<double>(bytes) / 1e6);
  return std::string("allocate ") + megabytes + " MB for " + what;
}

}  // namespace

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "make a stream");
  return Stream(stream);
}

Event make_event(bool timing, bool sleeping) {
  const unsigned flags =
      (timing ? cudaEventDefault : cudaEventDisableTiming) | (sleeping ? cudaEventBlockingSync : 0);
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, flags), "make an event");
  return Event(event);
}

DeviceMemory make_device_memory(size_t bytes, const std::string& what) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status != cudaSuccess) check(status, allocate(bytes, what).c_str());
  return DeviceMemory(memory);
}

HostMemory make_host_memory(size_t bytes, const std::string& what) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  const cudaError_t status = cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
  if (status != cudaSuccess) check(status, (allocate(bytes, what) + ", page-locked").c_str());
  return HostMemory(memory);
}

DeviceScope::DeviceScope(int device) : device_(device) {
  check(cudaGetDevice(&before_), "tell the current device");
  if (before_ != device_) check(cudaSetDevice(device_), "be made the current device");
}

DeviceScope::~DeviceScope() {
  if (before_ != device_) cudaSetDevice(before_);
}

}  // namespace layoutrt::trt
