#include "tensorrt/plans.h"

#include <algorithm>

#include "tensorrt/cuda_check.h"

namespace layoutrt::trt {
namespace {

// A camera's loop has one setting, and one that alternates between two or three buffers has as many.
constexpr size_t kMost = 4;

}  // namespace

Plans::Plans(nvinfer1::ICudaEngine* engine, const EngineTensors& tensors, bool sleeping)
    : engine_(engine),
      tensors_(tensors),
      bytes_(engine->getDeviceMemorySizeV2()),
      activations_(make_device_memory(static_cast<size_t>(bytes_), "the engine's activations")),
      end_(make_event(false, sleeping)) {
  add();
}

Plans::~Plans() {
  // The stream tells whether the run itself failed.
  if (in_flight_) cudaEventSynchronize(end_.get());
}

void Plans::add() { plans_.push_back(std::make_unique<Plan>(engine_, tensors_, activations_.get(), bytes_)); }

std::vector<size_t> Plans::largest_tensors(cudaStream_t stream) {
  const size_t inputs = tensors_.inputs.size();
  std::vector<size_t> bytes(inputs + tensors_.outputs.size(), 0);
  Plan& plan = *plans_.front();
  for (int32_t profile = 0; profile < engine_->getNbOptimizationProfiles(); ++profile) {
    Setting setting{profile, {}, std::vector<void*>(bytes.size(), nullptr)};
    for (const EngineInput& input : tensors_.inputs) {
      setting.shapes.push_back(input.profiles[static_cast<size_t>(profile)].max);
    }
    plan.set(setting, stream);
    for (size_t i = 0; i < bytes.size(); ++i) {
      const size_t needed =
          i < inputs ? bytes_of(setting.shapes[i], tensors_.inputs[i].info.dtype)
                     : bytes_of(plan.output_shapes()[i - inputs], tensors_.outputs[i - inputs].dtype);
      bytes[i] = std::max(bytes[i], needed);
    }
  }
  return bytes;
}

Plan& Plans::prepare(const Setting& wanted, cudaStream_t stream) {
  size_t at = 0;
  while (at < plans_.size() && !plans_[at]->is_set_to(wanted)) ++at;
  if (at == plans_.size()) {
    if (in_use_ && plans_.size() < kMost) {
      add();
    } else if (in_flight_) {
      check(cudaEventSynchronize(end_.get()), "finish a run");  // perhaps one of the plan that is changed
      in_flight_ = false;
    }
    at = plans_.size() - 1;
    plans_[at]->set(wanted, stream);
    in_use_ = true;
  }
  const auto found = plans_.begin() + static_cast<std::ptrdiff_t>(at);
  std::rotate(plans_.begin(), found, found + 1);
  return *plans_.front();
}

void Plans::begin(cudaStream_t stream) {
  if (in_flight_) check(cudaStreamWaitEvent(stream, end_.get(), 0), "wait for the run before");
}

void Plans::end(cudaStream_t stream) {
  check(cudaEventRecord(end_.get(), stream), "mark the end of a run");
  in_flight_ = true;
}

}  // namespace layoutrt::trt
