// Owners of what CUDA hands out.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <string>

namespace layoutrt::trt {

struct DestroyStream {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};
struct DestroyEvent {
  void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
};
struct DestroyGraph {
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
};
struct FreeDevice {
  void operator()(void* memory) const { cudaFree(memory); }
};
struct FreeHost {
  void operator()(void* memory) const { cudaFreeHost(memory); }
};

using Stream = std::unique_ptr<CUstream_st, DestroyStream>;
using Event = std::unique_ptr<CUevent_st, DestroyEvent>;
using Graph = std::unique_ptr<CUgraphExec_st, DestroyGraph>;
using DeviceMemory = std::unique_ptr<void, FreeDevice>;
using HostMemory = std::unique_ptr<void, FreeHost>;  // page-locked

// Each throws Error. `what` completes a sentence about memory, such as "the input 'labels'".
Stream make_stream();
// `sleeping`: a thread that waits for it leaves the processor to others.
Event make_event(bool timing, bool sleeping);
DeviceMemory make_device_memory(size_t bytes, const std::string& what);
HostMemory make_host_memory(size_t bytes, const std::string& what);

// Makes a device the calling thread's current one, and puts the caller's back.
class DeviceScope {
 public:
  explicit DeviceScope(int device);
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;
  ~DeviceScope();

 private:
  int before_ = 0;
  const int device_;
};

}  // namespace layoutrt::trt
