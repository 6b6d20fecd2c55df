// Asynchronous runs of one session: a thread that does them in the order of their submission.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "c_api/call.h"
#include "layoutrt/layoutrt.h"

namespace layoutrt {

class RunQueue {
 public:
  // The thread starts with the first run, and stays on `processor` unless it is negative.
  explicit RunQueue(int processor) : processor_(processor) {}
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;
  // Called when no run is pending any more, perhaps by the thread itself.
  ~RunQueue();

  // Check a run of the session of `call` and queue it; gives its ticket. Throws Error.
  uint64_t submit(Call call, const lrt_tensor* inputs, size_t input_count, const lrt_tensor* outputs,
                  size_t output_count, lrt_run_callback callback, void* user_data);

  // Wait for a run, or with 0 for all. Throws Error: the run failed, it is not known, or the time is over.
  void wait(uint64_t ticket, int32_t timeout_ms);

  bool on_own_thread() const;

 private:
  struct State;

  // The state, with its thread running.
  State& start();

  const int processor_;
  mutable std::mutex starting_;
  std::shared_ptr<State> state_;  // null until the first run; shared with the thread, which may outlive this
};

}  // namespace layoutrt
