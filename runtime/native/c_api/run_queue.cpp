#include "c_api/run_queue.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <string>
#include <thread>

#include "c_api/session_handles.h"
#include "error.h"
#include "processors.h"

namespace layoutrt {
namespace {

struct Run {
  Call call;  // keeps the session, and with it the queue
  Request request;
  Session::Clock::time_point asked;
  lrt_run_callback callback = nullptr;
  void* user_data = nullptr;
  lrt_status status = LRT_OK;
  std::string error;

  void compute() noexcept {
    status = LRT_OK;
    error.clear();
    try {
      call->session.run(&request, asked);
    } catch (const Error& failure) {
      set(failure.status(), failure.what());
    } catch (const std::bad_alloc&) {
      set(LRT_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& failure) {
      set(LRT_RUNTIME_ERROR, failure.what());
    }
    if (callback == nullptr) return;
    try {
      callback(user_data, status, error.c_str());
    } catch (...) {
      // There is nobody who could be told.
    }
  }

  void set(lrt_status failure, const char* sentence) noexcept {
    status = failure;
    try {
      error = sentence;
    } catch (...) {
      error.clear();
    }
  }
};

}  // namespace

struct RunQueue::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::array<Run, LRT_MAX_PENDING> runs;  // of ticket t at t % LRT_MAX_PENDING
  uint64_t submitted = 0;
  uint64_t ended = 0;
  bool closed = false;
  std::thread thread;

  Run& run(uint64_t ticket) { return runs[ticket % runs.size()]; }

  // The queue, and the session that owns it, may be gone whenever a call is given up: only the state is used.
  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return closed || ended < submitted; });
      if (ended == submitted) return;
      Run& next = run(ended + 1);
      lock.unlock();
      next.compute();
      Call call = std::move(next.call);
      lock.lock();
      ++ended;
      changed.notify_all();
      lock.unlock();
      {
        const Call given_up = std::move(call);
      }
      lock.lock();
    }
  }
};

RunQueue::~RunQueue() {
  if (state_ == nullptr) return;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->closed = true;
    state_->changed.notify_all();
  }
  if (on_own_thread()) {
    state_->thread.detach();
  } else {
    state_->thread.join();
  }
}

bool RunQueue::on_own_thread() const {
  const std::lock_guard<std::mutex> lock(starting_);
  return state_ != nullptr && state_->thread.get_id() == std::this_thread::get_id();
}

RunQueue::State& RunQueue::start() {
  const std::lock_guard<std::mutex> lock(starting_);
  if (state_ == nullptr) {
    auto state = std::make_shared<State>();
    state->thread = std::thread([state, processor = processor_] {
      if (processor >= 0) run_on_processor(processor);
      state->work();
    });
    state_ = std::move(state);
  }
  return *state_;
}

uint64_t RunQueue::submit(Call call, const lrt_tensor* inputs, size_t input_count, const lrt_tensor* outputs,
                          size_t output_count, lrt_run_callback callback, void* user_data) {
  const auto asked = Session::Clock::now();
  State& state = start();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (state.submitted - state.ended == state.runs.size()) {
    throw Error(LRT_INVALID_ARGUMENT, std::to_string(state.runs.size()) +
                                          " runs of the session are pending, which is as many as may be; "
                                          "wait for one");
  }
  Run& run = state.run(state.submitted + 1);
  call->session.check(inputs, input_count, outputs, output_count, &run.request);
  for (const lrt_tensor& output : run.request.outputs) {
    if (output.data == nullptr) {
      throw Error(LRT_INVALID_ARGUMENT, std::string("output '") + output.name +
                                            "' has no data; an asynchronous run needs memory of the caller");
    }
  }
  run.call = std::move(call);
  run.asked = asked;
  run.callback = callback;
  run.user_data = user_data;
  state.changed.notify_all();
  return ++state.submitted;
}

void RunQueue::wait(uint64_t ticket, int32_t timeout_ms) {
  if (on_own_thread()) {
    throw Error(LRT_INVALID_ARGUMENT, "a callback of the session cannot wait for its runs");
  }
  std::shared_ptr<State> state;
  {
    const std::lock_guard<std::mutex> lock(starting_);
    state = state_;
  }
  if (state == nullptr) {
    if (ticket == 0) return;
    throw Error(LRT_INVALID_ARGUMENT, "no asynchronous run was submitted to the session");
  }
  std::unique_lock<std::mutex> lock(state->mutex);
  const uint64_t last = ticket == 0 ? state->submitted : ticket;
  if (last > state->submitted) {
    throw Error(LRT_INVALID_ARGUMENT, "no run has the ticket " + std::to_string(ticket) + "; the last is " +
                                          std::to_string(state->submitted));
  }
  const auto ended = [&] { return state->ended >= last; };
  if (timeout_ms < 0) {
    state->changed.wait(lock, ended);
  } else if (!state->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), ended)) {
    throw Error(LRT_TIMEOUT, "the run has not ended within " + std::to_string(timeout_ms) + " ms");
  }
  if (ticket == 0) return;
  if (state->submitted - ticket >= state->runs.size()) {
    throw Error(LRT_INVALID_ARGUMENT,
                "the status of run " + std::to_string(ticket) + " is not kept any more; wait for it sooner");
  }
  const Run& run = state->run(ticket);
  if (run.status != LRT_OK) throw Error(run.status, run.error);
}

}  // namespace layoutrt
