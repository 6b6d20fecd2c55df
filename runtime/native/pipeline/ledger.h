// Records of a pipeline's frames: counts, frames inside, results to be read, latencies.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "pipeline/bounded_queue.h"
#include "pipeline/deadline.h"
#include "pipeline/frame.h"
#include "pipeline/ring.h"

namespace layoutrt::pipeline {

class Ledger {
 public:
  // `buffers`: frames that exist. `unread_limit`: results kept for reading before the oldest is dropped;
  // nothing: all.
  Ledger(size_t buffers, std::optional<size_t> unread_limit);

  // The frame gets the next number. At most one thread brings frames at a time.
  void enter(Frame* frame);
  // The frame that entered last was not taken after all.
  void withdraw();
  void drop(const Frame& frame);
  // The frame has come out, and its result was given to the caller.
  void leave(const Frame& frame);
  // The frame has come out, and its result is to be read. Returns an older one that had to make way, or NULL.
  Frame* publish(Frame* frame);

  // The next result. Without a deadline waits only while one can come: kDone and NULL, if none can.
  Outcome next(Frame** frame, const Deadline& deadline);
  // False: stopped while waiting.
  bool wait_until_out();

  void add_busy(double segment_ms, double synthesis_ms);
  // False: frames are being captured already, or the pipeline was stopped.
  bool begin_capture();
  void end_capture();
  bool capturing() const;
  // Every wait ends.
  void stop();

  // All of it except what the queues and buffers know.
  void read(lrt_pipeline_stats* stats) const;

 private:
  static constexpr size_t kWindow = 256;

  void come_out(const Frame& frame);
  void forget(int64_t sequence);

  const std::optional<size_t> unread_limit_;
  const Clock::time_point made_ = Clock::now();
  mutable std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  int64_t pushed_ = 0;
  int64_t done_ = 0;
  int64_t failed_ = 0;
  int64_t dropped_ = 0;
  int64_t unread_ = 0;
  double segment_busy_ms_ = 0;
  double synthesis_busy_ms_ = 0;
  std::vector<int64_t> inside_;  // numbers of the frames in the pipeline
  Ring<Frame*> results_;
  std::array<double, kWindow> latencies_ms_{};  // a ring
  bool capturing_ = false;
  bool stopped_ = false;
};

}  // namespace layoutrt::pipeline
