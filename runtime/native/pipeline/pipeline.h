// The threads of a pipeline, and the way of a frame between them.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "pipeline/bounded_queue.h"
#include "pipeline/frame.h"
#include "pipeline/handover.h"
#include "pipeline/ledger.h"
#include "pipeline/models.h"
#include "pipeline/turn.h"

namespace layoutrt::pipeline {

// Functions throw Error, with LRT_INVALID_ARGUMENT where a call cannot be made, also because the pipeline was
// stopped.
class Pipeline {
 public:
  // `options` are checked except for the size.
  Pipeline(lrt_session* segmenter, lrt_session* generator, const lrt_pipeline_options& options);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  void start();
  // False: there was no room in time.
  bool push(const uint8_t* frame, size_t stride, int64_t user_stamp, int32_t timeout_ms);
  void run(lrt_pipeline_capture_fn capture, void* user_data);
  // False: there was none in time. NULL: there will be none.
  bool next(const lrt_pipeline_result** result, int32_t timeout_ms);
  void flush();
  void read(lrt_pipeline_stats* stats) const;
  // End the threads. Allowed more than once; refused on a thread of the pipeline.
  void stop();
  bool on_own_thread() const;

 private:
  using Queue = BoundedQueue<Frame*>;

  void refuse_own_thread(const char* call) const;
  // Every thread that waits for the pipeline goes on.
  void close();
  void capture_frames(lrt_pipeline_capture_fn capture, void* user_data);
  void segment_frames();
  // In ms; 0 for a frame that failed before.
  double segment(Frame* frame);
  void synthesize_frames();
  void drop(Frame* frame);
  Outcome pass_on(Frame* frame, Queue* queue, const Deadline& deadline);
  void come_out(Frame* frame);
  void release(Frame* frame);

  lrt_session* const segmenter_;  // may be NULL
  lrt_session* const generator_;
  const lrt_pipeline_options options_;
  const Size size_;
  std::vector<std::unique_ptr<Frame>> frames_;
  Queue unused_;                 // frames that hold nothing
  Queue input_;                  // before the first stage
  std::optional<Queue> labels_;  // before the generator, where there is a segmenter
  // Where there is a segmenter and the latest frame wins, one of two: stages at the same time, or one thread
  // that does both in turns, since they would only take the processors from each other.
  std::optional<Handover> handover_;
  bool in_turns_ = false;
  Ledger ledger_;

  Turn bring_turn_;        // of who brings a frame, so that numbers and queue have the same order
  std::mutex read_mutex_;  // of held_
  Frame* held_ = nullptr;  // the result that the reader looks at
  std::mutex stop_mutex_;  // of the threads
  std::vector<std::thread> stages_;
  std::thread capture_;
  bool stopped_ = false;
};

}  // namespace layoutrt::pipeline
