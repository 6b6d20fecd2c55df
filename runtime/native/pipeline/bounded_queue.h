// A queue of limited length between threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>

#include "pipeline/deadline.h"
#include "pipeline/ring.h"

namespace layoutrt::pipeline {

enum class Outcome { kDone, kTimeout, kClosed };

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : items_(capacity) {}

  // Wait for room.
  Outcome put(T item, const Deadline& deadline) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (!wait(lock, room_, deadline, [&] { return closed_ || !items_.full(); })) {
        return Outcome::kTimeout;
      }
      if (closed_) return Outcome::kClosed;
      items_.push(item);
    }
    filled_.notify_one();
    return Outcome::kDone;
  }

  // Never waits: *displaced is the oldest item, where there was no room.
  Outcome put_latest(T item, std::optional<T>* displaced) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) return Outcome::kClosed;
      if (items_.full()) *displaced = items_.pop();
      items_.push(item);
    }
    filled_.notify_one();
    return Outcome::kDone;
  }

  // Wait for an item.
  Outcome take(T* item, const Deadline& deadline) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (!wait(lock, filled_, deadline, [&] { return closed_ || !items_.empty(); })) {
        return Outcome::kTimeout;
      }
      if (closed_) return Outcome::kClosed;
      *item = items_.pop();
    }
    room_.notify_one();
    return Outcome::kDone;
  }

  // Every call that waits, and every later one, returns kClosed; what is queued is not given out any more.
  void close() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    room_.notify_all();
    filled_.notify_all();
  }

  size_t size() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return items_.size();
  }

 private:
  mutable std::mutex mutex_;  // of everything below
  std::condition_variable room_;
  std::condition_variable filled_;
  Ring<T> items_;
  bool closed_ = false;
};

}  // namespace layoutrt::pipeline
