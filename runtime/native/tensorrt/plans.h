// The plans of an engine, the last used first. They share the memory of the activations, so that one run
// follows the other, whatever their streams are.
#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <vector>

#include "tensorrt/cuda_resources.h"
#include "tensorrt/plan.h"

namespace layoutrt::trt {

class Plans {
 public:
  // `sleeping`: who waits for a run leaves the processor to others. Throws Error.
  Plans(nvinfer1::ICudaEngine* engine, const EngineTensors& tensors, bool sleeping);
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;
  // Waits for the runs in flight.
  ~Plans();

  // Bytes of every input, then of every output, that the largest shapes of all profiles need. For the start,
  // before any run. Throws Error.
  std::vector<size_t> largest_tensors(cudaStream_t stream);

  // The plan for a setting: one that is set to it, else a new one, else that which was not used for the
  // longest time. Throws Error.
  Plan& prepare(const Setting& wanted, cudaStream_t stream);

  // Between these two, what is enqueued on `stream` is a run: it waits for the one before. Throw Error.
  void begin(cudaStream_t stream);
  void end(cudaStream_t stream);
  // Nothing is in flight any more: the caller has waited for the last run.
  void ended() { in_flight_ = false; }

 private:
  void add();

  nvinfer1::ICudaEngine* const engine_;
  const EngineTensors& tensors_;
  const int64_t bytes_;  // of the activations
  DeviceMemory activations_;
  Event end_;  // of the last run
  bool in_flight_ = false;
  bool in_use_ = false;  // whether there was any run
  std::vector<std::unique_ptr<Plan>> plans_;
};

}  // namespace layoutrt::trt
