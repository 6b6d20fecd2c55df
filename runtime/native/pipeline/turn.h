// A turn that one thread at a time has. Unlike a mutex it is waited for no longer than until a deadline.
#pragma once

#include <condition_variable>
#include <mutex>

#include "pipeline/deadline.h"

namespace layoutrt::pipeline {

class Turn {
 public:
  // Waits for the turn, and gives it back at the end of a scope. False: it was not had in time.
  class Holder {
   public:
    Holder(Turn& turn, const Deadline& deadline) : turn_(turn), held_(turn.take(deadline)) {}
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    ~Holder() {
      if (held_) turn_.give_back();
    }
    explicit operator bool() const { return held_; }

   private:
    Turn& turn_;
    const bool held_;
  };

 private:
  bool take(const Deadline& deadline) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!wait(lock, given_back_, deadline, [&] { return !taken_; })) return false;
    taken_ = true;
    return true;
  }

  void give_back() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      taken_ = false;
    }
    given_back_.notify_one();
  }

  std::mutex mutex_;  // of everything below
  std::condition_variable given_back_;
  bool taken_ = false;
};

}  // namespace layoutrt::pipeline
