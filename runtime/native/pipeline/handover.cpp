#include "pipeline/handover.h"

namespace layoutrt::pipeline {
namespace {

// Labels should lie ready a little too early: a generator that waits loses images, labels that wait lose
// a part of this.
constexpr double kMargin = 0.1;  // of a segmentation
constexpr double kMarginMs = 0.5;

}  // namespace

bool Handover::wait_to_segment() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || !handed_over_; });
    if (closed_) return false;
    if (!busy_) return true;
    const Clock::time_point from = begin();
    if (Clock::now() >= from) return true;
    // The generator may be ready before the time that was expected.
    changed_.wait_until(lock, from);
  }
}

void Handover::segmented(double busy_ms) {
  const std::lock_guard<std::mutex> lock(mutex_);
  handed_over_ = true;
  if (busy_ms > 0) segment_.add(busy_ms);  // nothing was segmented for a frame that failed before
}

void Handover::taken() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    handed_over_ = false;
    busy_ = true;
    taken_at_ = Clock::now();
  }
  changed_.notify_all();
}

void Handover::ready() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    busy_ = false;
    synthesize_.add(std::chrono::duration<double, std::milli>(Clock::now() - taken_at_).count());
  }
  changed_.notify_all();
}

void Handover::close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

Clock::time_point Handover::begin() const {
  const double ms = synthesize_.ms() - (1.0 + kMargin) * segment_.ms() - kMarginMs;
  return taken_at_ +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(ms));
}

}  // namespace layoutrt::pipeline
