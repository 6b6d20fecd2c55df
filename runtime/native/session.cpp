#include "session.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "dtype.h"
#include "error.h"

namespace layoutrt {
namespace {

[[noreturn]] void refuse(const std::string& sentence) { throw Error(LRT_INVALID_ARGUMENT, sentence); }

std::string describe(lrt_dtype dtype, const int64_t* dims, int32_t rank) {
  std::string text = std::string(traits(dtype).name) + " [";
  for (int32_t i = 0; i < rank; ++i) {
    if (i > 0) text += ", ";
    text += dims[i] < 0 ? "?" : std::to_string(dims[i]);
  }
  return text + "]";
}

std::vector<lrt_tensor_info> describe_all(const std::vector<TensorInfo>& tensors) {
  std::vector<lrt_tensor_info> infos;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.dims.size() > LRT_MAX_RANK) {
      throw Error(LRT_INVALID_MODEL, "tensor '" + tensor.name + "' of the model has more than 8 dimensions");
    }
    lrt_tensor_info info{};
    info.name = tensor.name.c_str();
    info.dtype = tensor.dtype;
    info.rank = static_cast<int32_t>(tensor.dims.size());
    std::copy(tensor.dims.begin(), tensor.dims.end(), info.dims);
    infos.push_back(info);
  }
  return infos;
}

size_t find(const std::vector<lrt_tensor_info>& infos, const char* kind, const lrt_tensor& tensor) {
  if (tensor.name == nullptr) refuse(std::string("an ") + kind + " has no name");
  std::string names;
  for (size_t i = 0; i < infos.size(); ++i) {
    if (std::strcmp(infos[i].name, tensor.name) == 0) return i;
    names += std::string(i > 0 ? ", " : "") + "'" + infos[i].name + "'";
  }
  refuse(std::string("the model has no ") + kind + " '" + tensor.name + "'; it has " + names);
}

void check_fits(const lrt_tensor_info& info, const char* kind, const lrt_tensor& tensor) {
  const std::string name = std::string(kind) + " '" + info.name + "'";
  if (tensor.rank < 0 || tensor.rank > LRT_MAX_RANK) {
    refuse(name + " has a rank of " + std::to_string(tensor.rank) + "; it may be 0 to 8");
  }
  bool fits = tensor.dtype == info.dtype && tensor.rank == info.rank;
  for (int32_t i = 0; fits && i < info.rank; ++i) {
    fits = tensor.dims[i] >= 0 && (info.dims[i] < 0 || info.dims[i] == tensor.dims[i]);
  }
  if (!fits) {
    refuse(name + " must be " + describe(info.dtype, info.dims, info.rank) + ", got " +
           describe(tensor.dtype, tensor.dims, tensor.rank));
  }
  size_t bytes = traits(tensor.dtype).bytes;
  for (int32_t i = 0; i < tensor.rank; ++i) {
    const auto dim = static_cast<size_t>(tensor.dims[i]);
    if (dim != 0 && bytes > std::numeric_limits<int64_t>::max() / dim) refuse(name + " is too large");
    bytes *= dim;
  }
  if (tensor.size_bytes != bytes) {
    refuse(name + " " + describe(tensor.dtype, tensor.dims, tensor.rank) + " has " + std::to_string(bytes) +
           " bytes, got a buffer of " + std::to_string(tensor.size_bytes));
  }
}

double milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

Session::Session(std::unique_ptr<Engine> engine)
    : engine_(std::move(engine)),
      backend_(engine_->backend()),
      inputs_(describe_all(engine_->inputs())),
      outputs_(describe_all(engine_->outputs())) {}

lrt_session_info Session::info() const {
  return {inputs_.size(), inputs_.data(), outputs_.size(), outputs_.data(), backend_.c_str()};
}

void Session::run(const lrt_tensor* inputs, size_t input_count, lrt_tensor* outputs, size_t output_count) {
  if (input_count > 0 && inputs == nullptr) refuse("inputs is NULL");
  if (output_count == 0 || outputs == nullptr) refuse("no output was asked for");

  std::vector<const lrt_tensor*> ordered(inputs_.size());
  for (size_t i = 0; i < input_count; ++i) {
    const size_t index = find(inputs_, "input", inputs[i]);
    if (ordered[index] != nullptr) refuse(std::string("input '") + inputs[i].name + "' is given twice");
    check_fits(inputs_[index], "input", inputs[i]);
    if (inputs[i].data == nullptr && inputs[i].size_bytes > 0) {
      refuse(std::string("input '") + inputs[i].name + "' has no data");
    }
    ordered[index] = &inputs[i];
  }
  for (size_t i = 0; i < ordered.size(); ++i) {
    if (ordered[i] == nullptr) {
      const lrt_tensor_info& info = inputs_[i];
      refuse(std::string("input '") + info.name + "' is missing; it is " +
             describe(info.dtype, info.dims, info.rank));
    }
  }
  std::vector<lrt_tensor*> wanted;
  std::vector<bool> seen(outputs_.size());
  for (size_t i = 0; i < output_count; ++i) {
    const size_t index = find(outputs_, "output", outputs[i]);
    if (seen[index]) refuse(std::string("output '") + outputs[i].name + "' is asked for twice");
    seen[index] = true;
    if (outputs[i].data != nullptr) check_fits(outputs_[index], "output", outputs[i]);
    wanted.push_back(&outputs[i]);
  }

  const std::lock_guard<std::mutex> lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  const EngineTimings spent = engine_->run(ordered, wanted);
  timings_.total_ms = milliseconds(std::chrono::steady_clock::now() - start);
  timings_.copy_in_ms = spent.copy_in_ms;
  timings_.engine_ms = spent.engine_ms;
  timings_.copy_out_ms = spent.copy_out_ms;
  ++timings_.runs;
}

lrt_timings Session::timings() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return timings_;
}

}  // namespace layoutrt
