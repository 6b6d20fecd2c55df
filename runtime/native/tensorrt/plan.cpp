#include "tensorrt/plan.h"

#include <algorithm>
#include <cstdio>

#include "error.h"
#include "tensorrt/cuda_check.h"
#include "tensorrt/log.h"

namespace layoutrt::trt {

using nvinfer1::Dims;

void fail(const std::string& what, lrt_status status) {
  const std::string error = Log::take_error();
  cudaGetLastError();
  // As TensorRT words it: "Error Code 2: OutOfMemory (Requested size was ...)", "... (out of memory)".
  const bool memory =
      error.find("OutOfMemory") != std::string::npos || error.find("out of memory") != std::string::npos;
  if (memory) out_of_memory(what);
  throw Error(status, "TensorRT could not " + what + (error.empty() ? "" : ": " + error));
}

bool Setting::operator==(const Setting& other) const {
  return profile == other.profile && addresses == other.addresses &&
         std::equal(shapes.begin(), shapes.end(), other.shapes.begin(), other.shapes.end(), equal);
}

Plan::Plan(nvinfer1::ICudaEngine* engine, const EngineTensors& tensors, void* memory, int64_t bytes)
    : tensors_(tensors) {
  Log::take_error();
  context_.reset(engine->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
  if (context_ == nullptr) fail("make an execution context");
  context_->setDeviceMemoryV2(memory, bytes);
}

void Plan::set(const Setting& setting, cudaStream_t stream) {
  set_ = warm_ = false;
  graph_.reset();
  Log::take_error();
  if (context_->getOptimizationProfile() != setting.profile) {
    if (!context_->setOptimizationProfileAsync(setting.profile, stream)) {
      fail("select the optimization profile " + std::to_string(setting.profile));
    }
    // Whichever stream runs with it, now or after an error, must find its copies done.
    check(cudaStreamSynchronize(stream), "select an optimization profile");
  }
  const size_t inputs = tensors_.inputs.size();
  for (size_t i = 0; i < inputs; ++i) {
    const char* name = tensors_.inputs[i].info.name.c_str();
    if (!context_->setInputShape(name, setting.shapes[i])) {
      fail("take the shape " + text(setting.shapes[i]) + " for the input '" + name + "'");
    }
    if (!context_->setTensorAddress(name, setting.addresses[i])) {
      fail(std::string("take the memory of the input '") + name + "'");
    }
  }
  if (context_->inferShapes(0, nullptr) != 0) fail("tell the shapes of the outputs");
  output_shapes_.clear();
  for (size_t i = 0; i < tensors_.outputs.size(); ++i) {
    const char* name = tensors_.outputs[i].name.c_str();
    const Dims shape = context_->getTensorShape(name);
    if (shape.nbDims < 0 ||
        std::any_of(shape.d, shape.d + shape.nbDims, [](int64_t dim) { return dim < 0; })) {
      throw Error(LRT_INVALID_MODEL, std::string("the shape of the output '") + name +
                                         "' depends on values, which is not supported");
    }
    output_shapes_.push_back(shape);
    if (!context_->setTensorAddress(name, setting.addresses[inputs + i])) {
      fail(std::string("take the memory of the output '") + name + "'");
    }
  }
  setting_ = setting;
  set_ = true;
}

void Plan::enqueue(cudaStream_t stream, cudaStream_t capture_stream) {
  if (graph_ == nullptr && warm_ && capturable_) capturable_ = capture(capture_stream);
  if (graph_ != nullptr) {
    check(cudaGraphLaunch(graph_.get(), stream), "launch the engine's CUDA graph");
    return;
  }
  Log::take_error();
  if (!context_->enqueueV3(stream)) {
    set_ = false;
    fail("run the engine");
  }
  warm_ = true;
}

bool Plan::capture(cudaStream_t stream) {
  // Other threads may go on allocating memory meanwhile.
  cudaError_t status = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  if (status == cudaSuccess) {
    Log::take_error();
    const bool enqueued = context_->enqueueV3(stream);
    cudaGraph_t captured = nullptr;
    status = cudaStreamEndCapture(stream, &captured);
    if (status == cudaSuccess && !enqueued) status = cudaErrorStreamCaptureUnsupported;
    cudaGraphExec_t executable = nullptr;
    if (status == cudaSuccess) status = cudaGraphInstantiateWithFlags(&executable, captured, 0);
    if (status == cudaSuccess) graph_.reset(executable);
    if (captured != nullptr) cudaGraphDestroy(captured);
  }
  if (status == cudaSuccess) return true;
  cudaGetLastError();
  const std::string error = Log::take_error();
  std::fprintf(stderr, "layoutrt: the engine cannot be captured into a CUDA graph (%s); runs start slower\n",
               error.empty() ? cudaGetErrorString(status) : error.c_str());
  return false;
}

}  // namespace layoutrt::trt
