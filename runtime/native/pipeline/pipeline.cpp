#include "pipeline/pipeline.h"

#include <cstdio>
#include <cstring>
#include <string>

#include "error.h"

namespace layoutrt::pipeline {
namespace {

// The pipeline that this thread belongs to.
thread_local const Pipeline* own_pipeline = nullptr;

[[noreturn]] void refuse(const std::string& sentence) { throw Error(LRT_INVALID_ARGUMENT, sentence); }

[[noreturn]] void refuse_stopped() { refuse("the pipeline is being destroyed; make another one"); }

// Every place where a frame can be at the same time, so that who brings one always finds a buffer with
// LRT_LATEST_FRAME_WINS: the queues and what works behind each, the reader, and the one being brought.
size_t count_buffers(const lrt_pipeline_options& options, bool segmented) {
  const auto capacity = static_cast<size_t>(options.capacity);
  const size_t stage = capacity + 1;
  return (segmented ? 2 : 1) * stage + (options.on_result == nullptr ? stage : 0) + 1;
}

std::optional<size_t> unread_limit(const lrt_pipeline_options& options) {
  if (options.policy == LRT_EVERY_FRAME) return std::nullopt;
  return static_cast<size_t>(options.capacity);
}

}  // namespace

Pipeline::Pipeline(lrt_session* segmenter, lrt_session* generator, const lrt_pipeline_options& options)
    : segmenter_(segmenter),
      generator_(generator),
      options_(options),
      size_(fit(segmenter, generator, {options.height, options.width})),
      unused_(count_buffers(options, segmenter != nullptr)),
      input_(static_cast<size_t>(options.capacity)),
      ledger_(count_buffers(options, segmenter != nullptr), unread_limit(options)) {
  if (segmenter_ != nullptr) {
    labels_.emplace(static_cast<size_t>(options.capacity));
    if (options.policy == LRT_LATEST_FRAME_WINS) {
      if (have_own_processors(segmenter, generator)) {
        handover_.emplace();
      } else {
        in_turns_ = true;
      }
    }
  }
  for (size_t i = 0; i < count_buffers(options, segmenter != nullptr); ++i) {
    frames_.push_back(std::make_unique<Frame>(size_.height, size_.width, segmenter != nullptr));
    release(frames_.back().get());
  }
}

Pipeline::~Pipeline() {
  close();
  if (capture_.joinable()) capture_.join();
  for (std::thread& stage : stages_) stage.join();
}

void Pipeline::start() {
  const std::lock_guard<std::mutex> lock(stop_mutex_);
  stages_.reserve(2);
  stages_.emplace_back([this] { synthesize_frames(); });
  if (segmenter_ != nullptr && !in_turns_) stages_.emplace_back([this] { segment_frames(); });
}

bool Pipeline::push(const uint8_t* frame, size_t stride, int64_t user_stamp, int32_t timeout_ms) {
  if (options_.policy == LRT_EVERY_FRAME) refuse_own_thread("lrt_pipeline_push with LRT_EVERY_FRAME");
  const int64_t captured_ns = now_ns();
  const Deadline deadline = deadline_after(timeout_ms);
  // Where the latest frame wins, whose turn it is does not wait either.
  const Turn::Holder turn(bring_turn_, options_.policy == LRT_EVERY_FRAME ? deadline : std::nullopt);
  if (!turn) return false;
  if (ledger_.capturing()) {
    refuse(
        "frames cannot be pushed while the pipeline captures them itself; wait for the end of the capture");
  }
  Frame* taken = nullptr;
  const Outcome found = unused_.take(&taken, deadline);
  if (found == Outcome::kClosed) refuse_stopped();
  if (found == Outcome::kTimeout) return false;
  const size_t row = taken->row_bytes();
  const size_t step = stride == 0 ? row : stride;
  if (step < row) {
    release(taken);
    refuse("the stride is " + std::to_string(stride) + " bytes, but a row of the frame has " +
           std::to_string(row) + "; give the distance between rows in bytes, or 0");
  }
  taken->begin(user_stamp);
  taken->set_captured(captured_ns);
  for (int32_t y = 0; y < size_.height; ++y) {
    const auto line = static_cast<size_t>(y);
    std::memcpy(taken->input() + line * row, frame + line * step, row);
  }
  ledger_.enter(taken);
  const Outcome passed = pass_on(taken, &input_, deadline);
  if (passed == Outcome::kClosed) refuse_stopped();
  if (passed == Outcome::kTimeout) {
    ledger_.withdraw();
    release(taken);
    return false;
  }
  return true;
}

void Pipeline::run(lrt_pipeline_capture_fn capture, void* user_data) {
  refuse_own_thread("lrt_pipeline_run");
  // No push is under way, and none begins until the capture has ended.
  const Turn::Holder turn(bring_turn_, std::nullopt);
  const std::lock_guard<std::mutex> lock(stop_mutex_);
  if (stopped_) refuse_stopped();
  if (!ledger_.begin_capture()) {
    refuse("the pipeline captures frames already; wait for the end of the capture");
  }
  if (capture_.joinable()) capture_.join();
  try {
    capture_ = std::thread([this, capture, user_data] { capture_frames(capture, user_data); });
  } catch (...) {
    ledger_.end_capture();
    throw;
  }
}

bool Pipeline::next(const lrt_pipeline_result** result, int32_t timeout_ms) {
  if (options_.on_result != nullptr) {
    refuse("the results of this pipeline go to options->on_result; leave it NULL to read them");
  }
  refuse_own_thread("lrt_pipeline_next");
  const std::lock_guard<std::mutex> lock(read_mutex_);
  if (held_ != nullptr) release(held_);
  const Outcome outcome = ledger_.next(&held_, deadline_after(timeout_ms));
  if (outcome == Outcome::kClosed) refuse_stopped();
  *result = held_ != nullptr ? &held_->result() : nullptr;
  return outcome == Outcome::kDone;
}

void Pipeline::flush() {
  refuse_own_thread("lrt_pipeline_flush");
  if (!ledger_.wait_until_out()) refuse_stopped();
}

void Pipeline::read(lrt_pipeline_stats* stats) const {
  ledger_.read(stats);
  stats->frames_waiting = static_cast<int32_t>(input_.size());
  stats->labels_waiting = labels_ ? static_cast<int32_t>(labels_->size()) : 0;
  stats->height = size_.height;
  stats->width = size_.width;
  stats->buffers = static_cast<int32_t>(frames_.size());
  stats->buffer_bytes = static_cast<int64_t>(frames_.size() * frames_.front()->bytes());
}

void Pipeline::stop() {
  refuse_own_thread("lrt_pipeline_destroy");
  close();
  const std::lock_guard<std::mutex> lock(stop_mutex_);
  stopped_ = true;
  if (capture_.joinable()) capture_.join();
  for (std::thread& stage : stages_) stage.join();
  stages_.clear();
}

bool Pipeline::on_own_thread() const { return own_pipeline == this; }

void Pipeline::refuse_own_thread(const char* call) const {
  if (on_own_thread()) {
    refuse(std::string(call) +
           " cannot be called by a callback of the same pipeline; call it on another thread");
  }
}

void Pipeline::close() {
  unused_.close();
  input_.close();
  if (labels_) labels_->close();
  if (handover_) handover_->close();
  ledger_.stop();
}

void Pipeline::capture_frames(lrt_pipeline_capture_fn capture, void* user_data) {
  own_pipeline = this;
  Frame* frame = nullptr;
  int told = 1;
  while (told == 1 && unused_.take(&frame, std::nullopt) == Outcome::kDone) {
    int64_t user_stamp = 0;
    frame->begin(0);
    told = capture(user_data, frame->input(), frame->row_bytes(), &user_stamp);
    if (told == 0) {
      release(frame);
      break;
    }
    frame->begin(user_stamp);
    frame->set_captured(now_ns());
    ledger_.enter(frame);
    if (told != 1) {
      char sentence[80];
      std::snprintf(sentence, sizeof(sentence), "it returned %d; 1 means a frame, 0 the end", told);
      frame->fail(LRT_RUNTIME_ERROR, "the capture function", sentence);
    }
    if (pass_on(frame, &input_, std::nullopt) != Outcome::kDone) break;
  }
  ledger_.end_capture();
}

void Pipeline::segment_frames() {
  own_pipeline = this;
  Frame* frame = nullptr;
  while ((!handover_ || handover_->wait_to_segment()) &&
         input_.take(&frame, std::nullopt) == Outcome::kDone) {
    const double busy_ms = segment(frame);
    // Before the labels are there to be taken, so that "taken" comes after it.
    if (handover_) handover_->segmented(busy_ms);
    // Nothing is dropped here: what was segmented is rendered.
    if (labels_->put(frame, std::nullopt) != Outcome::kDone) return;
  }
}

double Pipeline::segment(Frame* frame) {
  if (frame->failed()) return 0;
  frame->segment(segmenter_);
  const lrt_pipeline_result& result = frame->result();
  const double busy_ms = static_cast<double>(result.segmented_ns - result.segment_start_ns) * 1e-6;
  ledger_.add_busy(busy_ms, 0);
  return busy_ms;
}

void Pipeline::synthesize_frames() {
  own_pipeline = this;
  Queue& source = labels_ && !in_turns_ ? *labels_ : input_;
  Frame* frame = nullptr;
  while (source.take(&frame, std::nullopt) == Outcome::kDone) {
    if (handover_) handover_->taken();
    if (in_turns_) segment(frame);
    if (!frame->failed()) {
      frame->synthesize(generator_);
      const lrt_pipeline_result& result = frame->result();
      ledger_.add_busy(0, static_cast<double>(result.synthesized_ns - result.synthesis_start_ns) * 1e-6);
    }
    come_out(frame);
    if (handover_) handover_->ready();
  }
}

Outcome Pipeline::pass_on(Frame* frame, Queue* queue, const Deadline& deadline) {
  if (options_.policy == LRT_EVERY_FRAME) return queue->put(frame, deadline);
  std::optional<Frame*> displaced;
  const Outcome outcome = queue->put_latest(frame, &displaced);
  if (displaced) drop(*displaced);
  return outcome;
}

void Pipeline::drop(Frame* frame) {
  if (options_.on_drop != nullptr) {
    options_.on_drop(options_.user_data, frame->result().sequence, frame->result().user_stamp);
  }
  ledger_.drop(*frame);
  release(frame);
}

void Pipeline::come_out(Frame* frame) {
  if (options_.on_result != nullptr) {
    options_.on_result(options_.user_data, &frame->result());
    ledger_.leave(*frame);
    release(frame);
  } else if (Frame* displaced = ledger_.publish(frame)) {
    release(displaced);
  }
}

void Pipeline::release(Frame* frame) {
  std::optional<Frame*> none;  // there is room for every frame
  unused_.put_latest(frame, &none);
}

}  // namespace layoutrt::pipeline
