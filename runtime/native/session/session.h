// A model that is ready to run: checks what the caller gives, hands it to the engine, and keeps time.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine.h"
#include "session/label_set.h"
#include "session/request.h"
#include "session/split_engine.h"

namespace layoutrt {

class Session {
 public:
  using Clock = std::chrono::steady_clock;

  // `name` is the model's in sentences, such as "'model.onnx'". Throws Error: the metadata is damaged, or of
  // a newer version.
  Session(std::unique_ptr<Engine> engine, const std::string& name);

  lrt_session_info info() const;
  const std::map<std::string, std::string>& metadata() const { return engine_->metadata(); }
  const LabelSet* label_set() const { return label_set_ ? &*label_set_ : nullptr; }  // null: it names none

  // Check what is given without running. Throws Error.
  void check(const lrt_tensor* inputs, size_t input_count, const lrt_tensor* outputs, size_t output_count,
             Request* request) const;

  // Check and run. Describes the outputs that have no data. Throws Error.
  void run(const lrt_tensor* inputs, size_t input_count, lrt_tensor* outputs, size_t output_count);
  // The two parts of a run of a model that keeps the layout; see SplitEngine. Throw Error: another model.
  void set_layout(const lrt_tensor* inputs, size_t input_count);
  void render(const lrt_tensor* inputs, size_t input_count, lrt_tensor* outputs, size_t output_count);
  // Check and enqueue a run on device memory; see Engine::run_device. Throws Error.
  void run_device(const lrt_tensor* inputs, size_t input_count, const lrt_tensor* outputs,
                  size_t output_count, void* stream);

  // Run what was checked. `asked` is when the caller asked for it. Throws Error.
  void run(Request* request, Clock::time_point asked);

  lrt_timings timings() const;
  void reset_timings();

 private:
  using Buffer = std::vector<unsigned char>;

  void run_locked(Request* request, Clock::time_point asked);
  EngineTimings compute(Request::Part part);
  void count(const lrt_stage_times& times);
  // Describe the outputs of the last run to a caller who gave them no data.
  void describe(lrt_tensor* outputs, size_t output_count) const;
  // Refuses a model that is not split, and inputs of the other part.
  void check_part(const char* part, const lrt_tensor* inputs, size_t input_count, const char* other,
                  const std::vector<lrt_tensor_info>& inputs_of_other) const;
  // The tensor as the engine gets it: the caller's memory, or a copy without gaps in `buffer`.
  lrt_tensor contiguous(const lrt_tensor& tensor, Buffer* buffer) const;

  std::unique_ptr<Engine> engine_;
  SplitEngine* split_;  // engine_, if it is one; else null
  std::string backend_;
  std::vector<lrt_tensor_info> inputs_;
  std::vector<lrt_tensor_info> layout_inputs_;  // of a split model, the part of inputs_ that each takes
  std::vector<lrt_tensor_info> render_inputs_;
  std::vector<lrt_tensor_info> outputs_;
  std::optional<LabelSet> label_set_;

  std::mutex running_;  // held by a run; guards the engine and what is kept between runs:
  Request request_;
  std::vector<Buffer> input_buffers_;
  std::vector<Buffer> output_buffers_;
  std::vector<lrt_tensor> contiguous_inputs_;
  std::vector<lrt_tensor> contiguous_outputs_;
  std::vector<const lrt_tensor*> input_pointers_;
  std::vector<lrt_tensor*> output_pointers_;

  mutable std::mutex timing_;
  lrt_timings timings_{};
};

}  // namespace layoutrt
