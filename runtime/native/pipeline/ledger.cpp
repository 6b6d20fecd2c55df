#include "pipeline/ledger.h"

#include <algorithm>

namespace layoutrt::pipeline {
namespace {

// Linear between neighbors, as numpy's default. `sorted` is not empty.
double percentile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Ledger::Ledger(size_t buffers, std::optional<size_t> unread_limit)
    : unread_limit_(unread_limit), results_(buffers) {
  inside_.reserve(buffers);
}

void Ledger::enter(Frame* frame) {
  const std::lock_guard<std::mutex> lock(mutex_);
  frame->set_sequence(pushed_++);
  inside_.push_back(frame->result().sequence);
}

void Ledger::withdraw() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    forget(--pushed_);
  }
  changed_.notify_all();
}

void Ledger::drop(const Frame& frame) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++dropped_;
    forget(frame.result().sequence);
  }
  changed_.notify_all();
}

void Ledger::leave(const Frame& frame) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    come_out(frame);
  }
  changed_.notify_all();
}

Frame* Ledger::publish(Frame* frame) {
  Frame* displaced = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    come_out(*frame);
    if (unread_limit_ && results_.size() == *unread_limit_) {
      displaced = results_.pop();
      ++unread_;
    }
    results_.push(frame);
  }
  changed_.notify_all();
  return displaced;
}

Outcome Ledger::next(Frame** frame, const Deadline& deadline) {
  *frame = nullptr;
  std::unique_lock<std::mutex> lock(mutex_);
  const bool happened = wait(lock, changed_, deadline, [&] {
    return stopped_ || !results_.empty() || (!deadline && inside_.empty() && !capturing_);
  });
  if (!happened) return Outcome::kTimeout;
  if (stopped_) return Outcome::kClosed;
  if (!results_.empty()) *frame = results_.pop();
  return Outcome::kDone;
}

bool Ledger::wait_until_out() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return stopped_ || !capturing_; });
  const int64_t pushed = pushed_;
  changed_.wait(lock, [&] {
    return stopped_ ||
           std::none_of(inside_.begin(), inside_.end(), [&](int64_t number) { return number < pushed; });
  });
  return !stopped_;
}

void Ledger::add_busy(double segment_ms, double synthesis_ms) {
  const std::lock_guard<std::mutex> lock(mutex_);
  segment_busy_ms_ += segment_ms;
  synthesis_busy_ms_ += synthesis_ms;
}

bool Ledger::begin_capture() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (capturing_ || stopped_) return false;
  capturing_ = true;
  return true;
}

void Ledger::end_capture() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    capturing_ = false;
  }
  changed_.notify_all();
}

bool Ledger::capturing() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return capturing_;
}

void Ledger::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
}

void Ledger::read(lrt_pipeline_stats* stats) const {
  std::vector<double> latencies;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stats->pushed = pushed_;
    stats->done = done_;
    stats->failed = failed_;
    stats->dropped = dropped_;
    stats->inside = static_cast<int64_t>(inside_.size());
    stats->unread = unread_;
    stats->segment_busy_ms = segment_busy_ms_;
    stats->synthesis_busy_ms = synthesis_busy_ms_;
    stats->capturing = capturing_ ? 1 : 0;
    stats->results_waiting = static_cast<int32_t>(results_.size());
    const size_t window = std::min(static_cast<size_t>(done_), kWindow);
    latencies.assign(latencies_ms_.begin(), latencies_ms_.begin() + static_cast<std::ptrdiff_t>(window));
  }
  stats->elapsed_ms = std::chrono::duration<double, std::milli>(Clock::now() - made_).count();
  stats->window = static_cast<int32_t>(latencies.size());
  if (latencies.empty()) return;
  std::sort(latencies.begin(), latencies.end());
  stats->latency_p50_ms = percentile(latencies, 0.50);
  stats->latency_p95_ms = percentile(latencies, 0.95);
  stats->latency_max_ms = latencies.back();
}

void Ledger::come_out(const Frame& frame) {
  if (frame.failed()) {
    ++failed_;
  } else {
    latencies_ms_[static_cast<size_t>(done_++) % kWindow] = frame.result().latency_ms;
  }
  forget(frame.result().sequence);
}

void Ledger::forget(int64_t sequence) {
  inside_.erase(std::remove(inside_.begin(), inside_.end(), sequence), inside_.end());
}

}  // namespace layoutrt::pipeline
