#include "tensorrt/tensorrt_engine.h"

#include <NvInferRuntime.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "dtype.h"
#include "error.h"
#include "formats/engine_manifest.h"
#include "tensorrt/cuda_check.h"
#include "tensorrt/cuda_resources.h"
#include "tensorrt/device_tensor.h"
#include "tensorrt/engine_tensors.h"
#include "tensorrt/gpu.h"
#include "tensorrt/library.h"
#include "tensorrt/log.h"
#include "tensorrt/mapped_file.h"
#include "tensorrt/plans.h"

namespace layoutrt {
namespace {

using namespace trt;
using nvinfer1::Dims;

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double milliseconds(const Event& start, const Event& end) {
  float time = 0;
  check(cudaEventElapsedTime(&time, start.get(), end.get()), "tell the time of a run");
  return time;
}

// Waits at the end of a scope, however it is left, for the copies from and to a session's host memory.
class Finish {
 public:
  explicit Finish(cudaStream_t stream) : stream_(stream) {}
  Finish(const Finish&) = delete;
  Finish& operator=(const Finish&) = delete;
  ~Finish() {
    if (stream_ != nullptr) cudaStreamSynchronize(stream_);
  }
  void done() { stream_ = nullptr; }

 private:
  cudaStream_t stream_;
};

// A tensor's memory on both sides, enough for the largest shape of every profile.
struct Buffer {
  DeviceMemory device;
  HostMemory host;
};

class TensorRtEngine final : public Engine {
 public:
  TensorRtEngine(const std::string& path, const lrt_session_options& options)
      : manifest_(read_engine_manifest(path)), gpu_(current_gpu()), library_(open_library()) {
    if (manifest_.metadata.count("layoutrt.render_file") != 0) {
      throw Error(LRT_INVALID_MODEL, path +
                                         " is one half of a model, which an engine cannot be; export the "
                                         "model without --cache-layout and build the engine again");
    }
    const OperatorLibrary operators = find_operator_library(library_);
    check_engine_host(manifest_, path,
                      {library_.version, gpu_.name, gpu_.compute_capability, operators.version});
    register_operators(library_, operators);
    deserialize(path);
    tensors_ = read_tensors(*engine_, path);
    for (const EngineInput& input : tensors_.inputs) inputs_.push_back(input.info);

    const bool sleeping = options.spinning == LRT_SPIN_NEVER;
    stream_ = make_stream();
    for (Event& event : marks_) event = make_event(true, sleeping);
    plans_.emplace(engine_.get(), tensors_, sleeping);
    allocate_buffers();
  }

  ~TensorRtEngine() override {
    try {
      const DeviceScope scope(gpu_.device);
      plans_.reset();
      engine_.reset();
    } catch (const Error&) {
      // The GPU is lost, and with it what was to be freed.
    }
  }

  const std::vector<TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<TensorInfo>& outputs() const override { return tensors_.outputs; }
  const std::map<std::string, std::string>& metadata() const override { return manifest_.metadata; }

  std::string backend() const override {
    return "TensorRT " + library_.version + ", " + gpu_.name + " (" + gpu_.compute_capability +
           "), CUDA graph";
  }

  EngineTimings run(const std::vector<const lrt_tensor*>& inputs,
                    const std::vector<lrt_tensor*>& outputs) override {
    const DeviceScope scope(gpu_.device);
    Plan& plan = prepare(inputs, own_addresses_);
    for (lrt_tensor* output : outputs) describe(plan, output);

    const auto start = Clock::now();
    for (size_t i = 0; i < inputs.size(); ++i) copy_bytes(input_buffers_[i].host.get(), *inputs[i]);
    EngineTimings timings;
    timings.copy_in_ms = milliseconds_since(start);

    Finish finish(stream_.get());
    plans_->begin(stream_.get());
    mark(0);
    for (size_t i = 0; i < inputs.size(); ++i) {
      check(cudaMemcpyAsync(input_buffers_[i].device.get(), input_buffers_[i].host.get(),
                            inputs[i]->size_bytes, cudaMemcpyHostToDevice, stream_.get()),
            "copy the inputs");
    }
    mark(1);
    plan.enqueue(stream_.get(), stream_.get());
    mark(2);
    for (const lrt_tensor* output : outputs) {
      const Buffer& buffer = output_buffers_[index_of(*output)];
      check(cudaMemcpyAsync(buffer.host.get(), buffer.device.get(), output->size_bytes,
                            cudaMemcpyDeviceToHost, stream_.get()),
            "copy the outputs");
    }
    mark(3);
    check(cudaEventSynchronize(marks_[3].get()), "finish a run");
    finish.done();
    plans_->ended();

    const auto computed = Clock::now();
    for (lrt_tensor* output : outputs) {
      void* result = output_buffers_[index_of(*output)].host.get();
      if (output->data == nullptr) {
        output->data = result;
      } else if (output->size_bytes > 0) {
        std::memcpy(output->data, result, output->size_bytes);
      }
    }
    timings.copy_in_ms += milliseconds(marks_[0], marks_[1]);
    timings.engine_ms = milliseconds(marks_[1], marks_[2]);
    timings.copy_out_ms = milliseconds(marks_[2], marks_[3]) + milliseconds_since(computed);
    return timings;
  }

  void run_device(const std::vector<const lrt_tensor*>& inputs, const std::vector<lrt_tensor*>& outputs,
                  void* stream) override {
    const DeviceScope scope(gpu_.device);
    auto* const cuda_stream = static_cast<cudaStream_t>(stream);
    refuse_capture(cuda_stream);
    device_addresses_ = own_addresses_;
    for (size_t i = 0; i < inputs.size(); ++i) {
      device_addresses_[i] = device_address("input", *inputs[i], gpu_.device);
    }
    for (const lrt_tensor* output : outputs) {
      device_addresses_[inputs_.size() + index_of(*output)] = device_address("output", *output, gpu_.device);
    }
    Plan& plan = prepare(inputs, device_addresses_);
    for (lrt_tensor* output : outputs) describe(plan, output);
    plans_->begin(cuda_stream);
    plan.enqueue(cuda_stream, stream_.get());
    plans_->end(cuda_stream);
  }

 private:
  void deserialize(const std::string& path) {
    const MappedFile file(path);
    check_engine_file(manifest_, path, file.data(), file.size());
    runtime_ = make_runtime(library_);
    if (manifest_.version_compatible) {
      // Such an engine carries a runtime of its own, which is code; the file is the one of the manifest.
      runtime_->setEngineHostCodeAllowed(true);
    }
    if (manifest_.dla) {
      if (runtime_->getNbDLACores() == 0) {
        throw Error(LRT_INVALID_MODEL, path + " was built for a deep learning accelerator (DLA), and " +
                                           gpu_.name + " has none; build it again here without --dla");
      }
      runtime_->setDLACore(0);
    }
    Log::take_error();
    engine_.reset(runtime_->deserializeCudaEngine(file.data(), file.size()));
    if (engine_ == nullptr) fail("load " + path, LRT_INVALID_MODEL);
  }

  // The largest shapes of every profile decide how much memory the tensors get, once and for all.
  void allocate_buffers() {
    const std::vector<size_t> bytes = plans_->largest_tensors(stream_.get());
    own_addresses_.assign(bytes.size(), nullptr);
    for (size_t i = 0; i < bytes.size(); ++i) {
      const bool input = i < inputs_.size();
      const TensorInfo& info = input ? inputs_[i] : tensors_.outputs[i - inputs_.size()];
      const std::string what = "'" + info.name + "'";
      Buffer buffer{make_device_memory(bytes[i], what), make_host_memory(bytes[i], what)};
      own_addresses_[i] = buffer.device.get();
      (input ? input_buffers_ : output_buffers_).push_back(std::move(buffer));
    }
  }

  Plan& prepare(const std::vector<const lrt_tensor*>& inputs, const std::vector<void*>& addresses) {
    wanted_.shapes.clear();
    for (const lrt_tensor* input : inputs) wanted_.shapes.push_back(dims_of(*input));
    wanted_.profile = choose_profile(tensors_.inputs, wanted_.shapes);
    wanted_.addresses = addresses;
    return plans_->prepare(wanted_, stream_.get());
  }

  void mark(size_t number) { check(cudaEventRecord(marks_[number].get(), stream_.get()), "record an event"); }

  size_t index_of(const lrt_tensor& output) const {
    size_t i = 0;
    while (tensors_.outputs[i].name != output.name) ++i;
    return i;
  }

  // Tell the shape of an output, or check the one that the caller has memory for.
  void describe(const Plan& plan, lrt_tensor* output) const {
    const size_t index = index_of(*output);
    const Dims& shape = plan.output_shapes()[index];
    if (output->data != nullptr) {
      if (equal(dims_of(*output), shape)) return;
      throw Error(LRT_INVALID_ARGUMENT, std::string("output '") + output->name + "' has the shape " +
                                            text(shape) + ", got memory for " + text(dims_of(*output)));
    }
    output->dtype = tensors_.outputs[index].dtype;
    output->rank = shape.nbDims;
    std::copy(shape.d, shape.d + shape.nbDims, output->dims);
    output->size_bytes = bytes_of(shape, output->dtype);
  }

  static void copy_bytes(void* to, const lrt_tensor& from) {
    if (from.size_bytes > 0) std::memcpy(to, from.data, from.size_bytes);
  }

  const EngineManifest manifest_;
  const Gpu gpu_;
  const Library& library_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;  // outlives the engine, which outlives the contexts
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  EngineTensors tensors_;
  std::vector<TensorInfo> inputs_;

  Stream stream_;
  Event marks_[4];  // before and after the copies and the engine
  std::optional<Plans> plans_;
  std::vector<Buffer> input_buffers_;
  std::vector<Buffer> output_buffers_;
  std::vector<void*> own_addresses_;

  // Lists of a run, kept for the next.
  Setting wanted_;
  std::vector<void*> device_addresses_;
};

}  // namespace

bool has_tensorrt() { return true; }

std::unique_ptr<Engine> open_tensorrt(const std::string& path, const lrt_session_options& options) {
  return std::make_unique<TensorRtEngine>(path, options);
}

}  // namespace layoutrt
