// Until when to wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

namespace layoutrt::pipeline {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC

using Deadline = std::optional<Clock::time_point>;  // nothing: for ever

inline Deadline deadline_after(int32_t timeout_ms) {
  if (timeout_ms < 0) return std::nullopt;
  return Clock::now() + std::chrono::milliseconds(timeout_ms);
}

// False: the deadline passed before `ready`.
template <class Ready>
bool wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, const Deadline& deadline,
          const Ready& ready) {
  if (deadline) return changed.wait_until(lock, *deadline, ready);
  changed.wait(lock, ready);
  return true;
}

inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

}  // namespace layoutrt::pipeline
