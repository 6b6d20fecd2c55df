#include "session/session.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include "dtype.h"
#include "error.h"
#include "session/strides.h"

namespace layoutrt {
namespace {

// The newest metadata format this version reads (metadata key layoutrt.format).
constexpr int kFormat = 1;

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

void check_format(const std::map<std::string, std::string>& metadata, const std::string& name) {
  const auto found = metadata.find("layoutrt.format");
  if (found == metadata.end()) return;
  const std::string& text = found->second;
  int format = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), format);
  if (read.ec == std::errc::invalid_argument || read.ptr != text.data() + text.size()) {
    throw Error(LRT_INVALID_MODEL, name + " has the metadata layoutrt.format = '" + text +
                                       "', which is not a number; export it again");
  }
  if (format > kFormat || read.ec != std::errc()) {
    const auto version = metadata.find("layoutrt.version");
    throw Error(LRT_INVALID_MODEL, name + " was made by a newer layoutrt (format " + text + ", version " +
                                       (version == metadata.end() ? "unknown" : version->second) +
                                       "); upgrade with: pip install --upgrade layoutrt");
  }
}

double milliseconds(Session::Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void add(const lrt_stage_times& times, lrt_stage_times* sum) {
  sum->wait_ms += times.wait_ms;
  sum->copy_in_ms += times.copy_in_ms;
  sum->engine_ms += times.engine_ms;
  sum->copy_out_ms += times.copy_out_ms;
  sum->total_ms += times.total_ms;
}

}  // namespace

Session::Session(std::unique_ptr<Engine> engine, const std::string& name)
    : engine_(std::move(engine)),
      split_(dynamic_cast<SplitEngine*>(engine_.get())),
      backend_(engine_->backend()),
      inputs_(describe_all(engine_->inputs())),
      outputs_(describe_all(engine_->outputs())),
      input_buffers_(inputs_.size()),
      output_buffers_(outputs_.size()) {
  check_format(metadata(), name);
  if (split_ != nullptr) {
    const auto middle = inputs_.begin() + static_cast<std::ptrdiff_t>(split_->layout_input_count());
    layout_inputs_.assign(inputs_.begin(), middle);
    render_inputs_.assign(middle, inputs_.end());
  }
  const auto found = metadata().find("layoutrt.label_set");
  if (found != metadata().end()) {
    try {
      label_set_.emplace(found->second);
    } catch (const std::invalid_argument& error) {
      throw Error(LRT_INVALID_MODEL, name + " has a label set in its metadata that cannot be read (" +
                                         error.what() + "); export it again");
    }
  }
}

lrt_session_info Session::info() const {
  return {sizeof(lrt_session_info), inputs_.size(),   inputs_.data(),    outputs_.size(),
          outputs_.data(),          backend_.c_str(), engine_->threads()};
}

void Session::check(const lrt_tensor* inputs, size_t input_count, const lrt_tensor* outputs,
                    size_t output_count, Request* request) const {
  request->part = Request::Part::kWhole;
  check_inputs(inputs_, inputs, input_count, &request->inputs);
  check_outputs(outputs_, outputs, output_count, &request->outputs);
}

void Session::run(const lrt_tensor* inputs, size_t input_count, lrt_tensor* outputs, size_t output_count) {
  const auto asked = Clock::now();
  const std::lock_guard<std::mutex> lock(running_);
  check(inputs, input_count, outputs, output_count, &request_);
  run_locked(&request_, asked);
  describe(outputs, output_count);
}

void Session::describe(lrt_tensor* outputs, size_t output_count) const {
  for (size_t i = 0; i < output_count; ++i) {
    if (outputs[i].data != nullptr) continue;
    const char* name = outputs[i].name;
    outputs[i] = request_.outputs[i];
    outputs[i].name = name;
  }
}

void Session::check_part(const char* part, const lrt_tensor* inputs, size_t input_count, const char* other,
                         const std::vector<lrt_tensor_info>& inputs_of_other) const {
  if (split_ == nullptr) {
    throw Error(LRT_INVALID_ARGUMENT, std::string(part) +
                                          " is for models with a latent that were exported with "
                                          "--cache-layout, and this one was not; use run");
  }
  for (size_t i = 0; inputs != nullptr && i < input_count; ++i) {
    for (const lrt_tensor_info& info : inputs_of_other) {
      if (inputs[i].name != nullptr && std::strcmp(inputs[i].name, info.name) == 0) {
        throw Error(LRT_INVALID_ARGUMENT,
                    std::string("input '") + info.name + "' is not for " + part + "; give it to " + other);
      }
    }
  }
}

void Session::set_layout(const lrt_tensor* inputs, size_t input_count) {
  const auto asked = Clock::now();
  const std::lock_guard<std::mutex> lock(running_);
  check_part("set_layout", inputs, input_count, "render", render_inputs_);
  request_.part = Request::Part::kLayout;
  check_inputs(layout_inputs_, inputs, input_count, &request_.inputs);
  request_.outputs.clear();
  run_locked(&request_, asked);
}

void Session::render(const lrt_tensor* inputs, size_t input_count, lrt_tensor* outputs, size_t output_count) {
  const auto asked = Clock::now();
  const std::lock_guard<std::mutex> lock(running_);
  check_part("render", inputs, input_count, "set_layout", layout_inputs_);
  request_.part = Request::Part::kRender;
  check_inputs(render_inputs_, inputs, input_count, &request_.inputs);
  check_outputs(outputs_, outputs, output_count, &request_.outputs);
  run_locked(&request_, asked);
  describe(outputs, output_count);
}

EngineTimings Session::compute(Request::Part part) {
  switch (part) {
    case Request::Part::kLayout: return split_->set_layout(input_pointers_);
    case Request::Part::kRender: return split_->render(input_pointers_, output_pointers_);
    case Request::Part::kWhole: break;
  }
  return engine_->run(input_pointers_, output_pointers_);
}

void Session::run(Request* request, Clock::time_point asked) {
  const std::lock_guard<std::mutex> lock(running_);
  run_locked(request, asked);
}

lrt_tensor Session::contiguous(const lrt_tensor& tensor, Buffer* buffer) const {
  const auto address = reinterpret_cast<uintptr_t>(tensor.data);
  const size_t element = traits(tensor.dtype).bytes;
  lrt_tensor result = tensor;
  if (!has_strides(tensor) && (element == 0 || address % element == 0)) return result;
  result.size_bytes = contiguous_bytes(tensor);
  std::fill_n(result.strides, LRT_MAX_RANK, 0);
  if (buffer->size() < result.size_bytes) buffer->resize(result.size_bytes);
  result.data = buffer->data();
  return result;
}

void Session::run_locked(Request* request, Clock::time_point asked) {
  const auto start = Clock::now();
  contiguous_inputs_.clear();
  input_pointers_.clear();
  for (size_t i = 0; i < request->inputs.size(); ++i) {
    contiguous_inputs_.push_back(contiguous(request->inputs[i], &input_buffers_[i]));
    if (contiguous_inputs_[i].data != request->inputs[i].data) {
      pack(request->inputs[i], contiguous_inputs_[i].data);
    }
  }
  contiguous_outputs_.clear();
  output_pointers_.clear();
  for (size_t i = 0; i < request->outputs.size(); ++i) {
    contiguous_outputs_.push_back(contiguous(request->outputs[i], &output_buffers_[i]));
  }
  for (const lrt_tensor& tensor : contiguous_inputs_) input_pointers_.push_back(&tensor);
  for (lrt_tensor& tensor : contiguous_outputs_) output_pointers_.push_back(&tensor);

  const auto packed = Clock::now();
  const EngineTimings spent = compute(request->part);
  const auto computed = Clock::now();
  for (size_t i = 0; i < request->outputs.size(); ++i) {
    lrt_tensor& output = request->outputs[i];
    const lrt_tensor& result = contiguous_outputs_[i];
    if (output.data == nullptr) {
      output = result;
    } else if (output.data != result.data) {
      unpack(result.data, output);
    }
  }
  const auto end = Clock::now();

  lrt_stage_times times{};
  times.wait_ms = milliseconds(start - asked);
  times.copy_in_ms = spent.copy_in_ms + milliseconds(packed - start);
  times.engine_ms = spent.engine_ms;
  times.copy_out_ms = spent.copy_out_ms + milliseconds(end - computed);
  times.total_ms = milliseconds(end - asked);
  count(times);
}

void Session::run_device(const lrt_tensor* inputs, size_t input_count, const lrt_tensor* outputs,
                         size_t output_count, void* stream) {
  const auto asked = Clock::now();
  const std::lock_guard<std::mutex> lock(running_);
  check(inputs, input_count, outputs, output_count, &request_);
  const auto refuse = [](const char* kind, const lrt_tensor& tensor, const char* what) {
    throw Error(LRT_INVALID_ARGUMENT, std::string(kind) + " '" + tensor.name + "' " + what);
  };
  input_pointers_.clear();
  output_pointers_.clear();
  for (const lrt_tensor& input : request_.inputs) {
    if (has_strides(input)) refuse("input", input, "has strides, which a run on device memory does not take");
    input_pointers_.push_back(&input);
  }
  for (lrt_tensor& output : request_.outputs) {
    if (output.data == nullptr)
      refuse("output", output, "has no data; a run on device memory needs the caller's");
    if (has_strides(output))
      refuse("output", output, "has strides, which a run on device memory does not take");
    output_pointers_.push_back(&output);
  }
  const auto start = Clock::now();
  engine_->run_device(input_pointers_, output_pointers_, stream);
  lrt_stage_times times{};
  times.wait_ms = milliseconds(start - asked);
  times.total_ms = milliseconds(Clock::now() - asked);
  count(times);
}

void Session::count(const lrt_stage_times& times) {
  const std::lock_guard<std::mutex> lock(timing_);
  ++timings_.runs;
  timings_.last = times;
  add(times, &timings_.sum);
}

lrt_timings Session::timings() const {
  const std::lock_guard<std::mutex> lock(timing_);
  return timings_;
}

void Session::reset_timings() {
  const std::lock_guard<std::mutex> lock(timing_);
  timings_ = {};
}

}  // namespace layoutrt
