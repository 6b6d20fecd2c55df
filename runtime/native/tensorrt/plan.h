// An execution context set up for one set of shapes and addresses, and the CUDA graph captured of it.
//
// NVIDIA's developer guide ("CUDA Graphs") binds a captured graph to the context's shapes and to the
// addresses of its tensors, and advises one context for each graph, all of them sharing the memory of the
// activations.
#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <string>
#include <vector>

#include "tensorrt/cuda_resources.h"
#include "tensorrt/engine_tensors.h"

namespace layoutrt::trt {

// Inputs that a plan is set up for.
struct Setting {
  int32_t profile = 0;
  std::vector<nvinfer1::Dims> shapes;  // of the inputs
  std::vector<void*> addresses;        // of the inputs, then of the outputs

  bool operator==(const Setting& other) const;
};

class Plan {
 public:
  // `memory` holds the activations and is shared with other plans, which must not run at the same time.
  // Throws Error.
  Plan(nvinfer1::ICudaEngine* engine, const EngineTensors& tensors, void* memory, int64_t bytes);

  bool is_set_to(const Setting& setting) const { return set_ && setting_ == setting; }

  // Throws Error, also where the shape of an output depends on values. Runs in flight must have ended.
  // Another optimization profile is selected on `stream`, which is waited for.
  void set(const Setting& setting, cudaStream_t stream);

  // Shapes of the outputs, for the input shapes that are set.
  const std::vector<nvinfer1::Dims>& output_shapes() const { return output_shapes_; }

  // Enqueue a run on `stream`. The first after `set` warms up TensorRT; the second is captured on
  // `capture_stream`, which must not be the default stream; from then on the graph is launched. Where
  // capturing fails, which is said once on stderr, all runs are enqueued one by one. Throws Error.
  void enqueue(cudaStream_t stream, cudaStream_t capture_stream);

 private:
  bool capture(cudaStream_t stream);

  const EngineTensors& tensors_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  Setting setting_;
  bool set_ = false;
  bool warm_ = false;
  bool capturable_ = true;
  Graph graph_;
  std::vector<nvinfer1::Dims> output_shapes_;
};

// Throws what TensorRT reported, with `status` unless memory ran out. `what` completes "TensorRT could not
// …".
[[noreturn]] void fail(const std::string& what, lrt_status status = LRT_RUNTIME_ERROR);

}  // namespace layoutrt::trt
