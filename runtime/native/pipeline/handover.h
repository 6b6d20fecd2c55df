// The moment at which the segmenter may begin, where only the latest frame counts.
#pragma once

#include <condition_variable>
#include <mutex>

#include "pipeline/deadline.h"

namespace layoutrt::pipeline {

// Labels that the generator is not ready for grow old, and labels that a later frame replaces were made for
// nothing. So the segmenter begins when its labels will be taken as soon as they are there: so much before
// the generator is ready as a segmentation takes.
class Handover {
 public:
  // Segmenter: wait until a segmentation may begin. False: closed.
  bool wait_to_segment();
  // Segmenter: labels were handed over after `busy_ms`.
  void segmented(double busy_ms);
  // Generator: it has taken the labels.
  void taken();
  // Generator: it is ready for the next labels.
  void ready();
  void close();

 private:
  // Mean of the latest durations, in ms; the first counts as all before it.
  class Estimate {
   public:
    void add(double ms) { mean_ms_ = known_ ? 0.75 * mean_ms_ + 0.25 * ms : ms, known_ = true; }
    double ms() const { return mean_ms_; }

   private:
    double mean_ms_ = 0;
    bool known_ = false;
  };

  Clock::time_point begin() const;

  std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  Estimate segment_;
  Estimate synthesize_;
  Clock::time_point taken_at_;
  bool handed_over_ = false;  // labels that the generator has not taken
  bool busy_ = false;         // the generator is at work
  bool closed_ = false;
};

}  // namespace layoutrt::pipeline
