#include "fake_cuda.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

struct Work {
  std::function<void()> run;
  double ms = 0;
};
struct CUstream_st {
  int device = 0;
  std::deque<Work> work;
  unsigned long done = 0;
  bool capturing = false;
  bool broken = false;  // the capture is invalid
  std::vector<Work> captured;
};
struct CUevent_st {
  CUstream_st* stream = nullptr;  // of the last record; null: none
  unsigned long position = 0;     // what must be done before it
  double time = 0;
};
struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};

namespace {

struct Allocation {
  size_t bytes;
  bool device;
  int gpu;
};
struct Failure {
  std::string function;
  cudaError_t error;
  int skipped;
};

constexpr double kCopyMs = 0.25;
std::recursive_mutex mutex;
fake_cuda::Machine machine;
std::map<std::string, long> counts;
std::map<char*, Allocation> memory;
std::map<const void*, void*> mapped;  // host memory that has another address on the GPU
std::vector<Failure> failures;
CUstream_st legacy;
cudaError_t last = cudaSuccess;
long objects = 0;
long pageable = 0;
double now = 0;
thread_local int current_device = 0;

cudaError_t give(cudaError_t status) {
  if (status != cudaSuccess) last = status;
  return status;
}

// Counts a call, and gives the error that it was told to fail with.
cudaError_t called(const char* function) {
  ++counts[function];
  for (auto failure = failures.begin(); failure != failures.end(); ++failure) {
    if (failure->function != function || failure->skipped-- > 0) continue;
    const cudaError_t error = failure->error;
    failures.erase(failure);
    return give(error);
  }
  return cudaSuccess;
}

CUstream_st& at(cudaStream_t stream) { return stream == nullptr ? legacy : *stream; }

void run(CUstream_st& stream, unsigned long until) {
  while (stream.done < until && !stream.work.empty()) {
    const Work work = std::move(stream.work.front());
    stream.work.pop_front();
    now += work.ms;
    work.run();
    ++stream.done;
  }
}

void drain(CUstream_st& stream) { run(stream, stream.done + stream.work.size()); }

const Allocation* find(const void* pointer, size_t bytes) {
  auto* const address = static_cast<char*>(const_cast<void*>(pointer));
  auto found = memory.upper_bound(address);
  if (found == memory.begin()) return nullptr;
  --found;
  return address + bytes <= found->first + found->second.bytes ? &found->second : nullptr;
}

void require_device(const void* pointer, size_t bytes) {
  const Allocation* found = find(pointer, bytes);
  if (bytes == 0 || (found != nullptr && found->device)) return;
  std::fprintf(stderr, "fake CUDA: a copy touches memory that was not allocated on the device\n");
  std::abort();
}

cudaError_t push(cudaStream_t handle, Work work) {
  CUstream_st& stream = at(handle);
  if (handle != nullptr && stream.device != current_device) return give(cudaErrorInvalidResourceHandle);
  if (stream.capturing) {
    stream.captured.push_back(std::move(work));
  } else {
    stream.work.push_back(std::move(work));
  }
  return cudaSuccess;
}

cudaError_t allocate(void** pointer, size_t bytes, bool device) {
  // The real driver gives 256 bytes of alignment.
  char* made = static_cast<char*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  std::memset(made, 0xAB, bytes);
  memory[made] = {bytes, device, current_device};
  *pointer = made;
  ++objects;
  return cudaSuccess;
}

cudaError_t release(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  if (memory.erase(static_cast<char*>(pointer)) == 0) {
    std::fprintf(stderr, "fake CUDA: memory is freed that is not allocated, perhaps twice\n");
    std::abort();
  }
  std::free(pointer);
  --objects;
  return cudaSuccess;
}

cudaError_t machine_error() {
  if (machine.driver < CUDART_VERSION / 1000 * 1000) return give(cudaErrorInsufficientDriver);
  return machine.devices == 0 ? give(cudaErrorNoDevice) : cudaSuccess;
}

}  // namespace

#define ENTER(function)                                    \
  const std::lock_guard<std::recursive_mutex> lock(mutex); \
  if (const cudaError_t told = called(#function)) return told

namespace fake_cuda {

void reset(const Machine& made) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  machine = made;
  counts.clear();
  failures.clear();
  last = cudaSuccess;
  pageable = 0;
  mapped.clear();
}

void fail(const char* function, cudaError_t error, int skipped) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  failures.push_back({function, error, skipped});
}

void map_host(const void* host, void* device) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  mapped[host] = device;
}

long count(const char* function) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  return counts[function];
}

long live() {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  return objects;
}

long pageable_copies() {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  return pageable;
}

bool idle(cudaStream_t stream) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  return at(stream).work.empty();
}

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work, double ms) {
  ENTER(enqueue);
  return push(stream, {std::move(work), ms});
}

}  // namespace fake_cuda

extern "C" {

cudaError_t cudaGetDeviceCount(int* devices) {
  ENTER(cudaGetDeviceCount);
  *devices = machine.devices;
  return machine_error();
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = machine.driver;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  ENTER(cudaSetDevice);
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  ENTER(cudaGetDeviceProperties);
  std::snprintf(properties->name, sizeof(properties->name), "%s", machine.name);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? machine.major : machine.minor;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  const cudaError_t told = last;
  last = cudaSuccess;
  return told;
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorLaunchFailure ? "unspecified launch failure" : "an error";
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  ENTER(cudaMalloc);
  return allocate(pointer, bytes, true);
}
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) {
  ENTER(cudaHostAlloc);
  return allocate(pointer, bytes, false);
}
cudaError_t cudaFree(void* pointer) {
  ENTER(cudaFree);
  return release(pointer);
}
cudaError_t cudaFreeHost(void* pointer) {
  ENTER(cudaFreeHost);
  return release(pointer);
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  ENTER(cudaPointerGetAttributes);
  const Allocation* found = find(pointer, 1);
  attributes->type = found == nullptr ? cudaMemoryTypeUnregistered
                     : found->device  ? cudaMemoryTypeDevice
                                      : cudaMemoryTypeHost;
  attributes->device = found == nullptr ? -1 : found->gpu;
  const auto elsewhere = mapped.find(pointer);
  attributes->hostPointer = found == nullptr || found->device ? nullptr : const_cast<void*>(pointer);
  attributes->devicePointer = elsewhere != mapped.end() ? elsewhere->second
                              : found == nullptr        ? nullptr
                                                        : const_cast<void*>(pointer);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  ENTER(cudaMemcpy);
  drain(legacy);
  require_device(kind == cudaMemcpyDeviceToHost ? from : to, bytes);
  if (kind == cudaMemcpyHostToDevice && find(from, bytes) == nullptr) {
    // Of memory that is not page-locked it returns with a copy, which reaches the device later ("API
    // synchronization behavior" in CUDA's reference).
    const auto* const begin = static_cast<const char*>(from);
    const std::vector<char> staged(begin, begin + bytes);
    return push(nullptr, {[=] { std::memcpy(to, staged.data(), bytes); }, 0});
  }
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  ENTER(cudaMemcpyAsync);
  const Allocation* host = find(kind == cudaMemcpyDeviceToHost ? to : from, bytes);
  if (bytes > 0 && (host == nullptr || host->device)) ++pageable;
  return push(stream, {[=] {
                         require_device(kind == cudaMemcpyDeviceToHost ? from : to, bytes);
                         if (bytes > 0) std::memcpy(to, from, bytes);
                       },
                       kCopyMs});
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  ENTER(cudaStreamCreateWithFlags);
  *stream = new CUstream_st;
  (*stream)->device = current_device;
  ++objects;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  ENTER(cudaStreamDestroy);
  drain(*stream);
  delete stream;
  --objects;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ENTER(cudaStreamSynchronize);
  drain(at(stream));
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  ENTER(cudaStreamWaitEvent);
  if (at(stream).capturing) at(stream).broken = true;
  CUstream_st* const other = event->stream;
  const unsigned long position = event->position;
  return push(stream, {[=] {
                         if (other != nullptr) run(*other, position);
                       },
                       0});
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  ENTER(cudaStreamIsCapturing);
  *status = at(stream).capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  ENTER(cudaStreamBeginCapture);
  if (stream == nullptr) return give(cudaErrorStreamCaptureUnsupported);
  stream->capturing = true;
  stream->captured.clear();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  const cudaError_t told = called("cudaStreamEndCapture");
  stream->capturing = false;
  if (told != cudaSuccess) return told;
  if (stream->broken) return give(cudaErrorStreamCaptureInvalidated);
  *graph = new CUgraph_st{std::move(stream->captured)};
  ++objects;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  ENTER(cudaGraphInstantiateWithFlags);
  *executable = new CUgraphExec_st{graph->work};
  ++objects;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  --objects;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  --objects;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  ENTER(cudaGraphLaunch);
  for (const Work& work : executable->work) push(stream, work);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  ENTER(cudaEventCreateWithFlags);
  *event = new CUevent_st;
  ++objects;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  --objects;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  ENTER(cudaEventRecord);
  CUstream_st& stream = at(handle);
  event->stream = &stream;
  event->position = stream.done + stream.work.size() + 1;
  return push(handle, {[event] { event->time = now; }, 0});
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  ENTER(cudaEventSynchronize);
  if (event->stream != nullptr) run(*event->stream, event->position);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  ENTER(cudaEventElapsedTime);
  if (end->stream == nullptr || end->stream->done < end->position) return give(cudaErrorNotReady);
  *ms = static_cast<float>(end->time - start->time);
  return cudaSuccess;
}

}  // extern "C"
