// The C API of pipelines.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "c_api/api_guard.h"
#include "layoutrt/pipeline.h"
#include "per_process.h"
#include "pipeline/pipeline.h"

namespace {

using layoutrt::Error;
using layoutrt::guarded;
using layoutrt::PerProcess;
using layoutrt::require;
using layoutrt::pipeline::Pipeline;

// Pipelines by handle. A handle is a number that is used once, not an address, so a call with one that was
// destroyed is refused, whatever the memory holds by then.
class Handles {
 public:
  lrt_pipeline* add(std::shared_ptr<Pipeline> pipeline) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uintptr_t number = ++last_;
    pipelines_[number] = std::move(pipeline);
    return reinterpret_cast<lrt_pipeline*>(number);
  }

  // Throws Error.
  std::shared_ptr<Pipeline> find(const lrt_pipeline* handle) {
    require(handle, "pipeline");
    if (reinterpret_cast<uintptr_t>(handle) <= inherited_) {
      throw Error(LRT_INVALID_ARGUMENT,
                  "pipeline is of the process that this one was forked from, which alone can use or destroy "
                  "it; create one after fork()");
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = pipelines_.find(reinterpret_cast<uintptr_t>(handle));
    if (found == pipelines_.end()) {
      throw Error(LRT_INVALID_ARGUMENT,
                  "pipeline is none, or was destroyed; make one with lrt_pipeline_create");
    }
    return found->second;
  }

  void remove(const lrt_pipeline* handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    pipelines_.erase(reinterpret_cast<uintptr_t>(handle));
  }

  // Pipelines that were not destroyed end with the program, but not one whose own callback ends it: a thread
  // cannot wait for itself.
  void end() {
    for (auto& [number, pipeline] : pipelines_) {
      if (pipeline->on_own_thread()) {
        std::make_unique<std::shared_ptr<Pipeline>>(std::move(pipeline)).release();
      }
    }
    pipelines_.clear();
  }

 private:
  static inline std::atomic<uintptr_t> last_{0};

  const uintptr_t inherited_ = last_.load();  // handles up to here are of a parent, if there is one
  std::mutex mutex_;
  std::map<uintptr_t, std::shared_ptr<Pipeline>> pipelines_;
};

// A pipeline of a parent has threads that are not here, and is never freed by a child.
Handles& handles() {
  static PerProcess<Handles> all;
  struct AtExit {
    ~AtExit() { all.get().end(); }
  };
  static const AtExit at_exit;
  return all.get();
}

lrt_pipeline_options checked_options(const lrt_pipeline_options* options) {
  auto known = layoutrt::read_options(options, "lrt_pipeline_options");
  if (known.capacity == 0) known.capacity = 1;
  if (known.capacity < 1 || known.capacity > LRT_PIPELINE_MAX_CAPACITY) {
    throw Error(LRT_INVALID_ARGUMENT, "options->capacity is " + std::to_string(known.capacity) +
                                          "; give 1 to " + std::to_string(LRT_PIPELINE_MAX_CAPACITY));
  }
  if (known.policy != LRT_LATEST_FRAME_WINS && known.policy != LRT_EVERY_FRAME) {
    throw Error(LRT_INVALID_ARGUMENT, "options->policy is " + std::to_string(known.policy) +
                                          "; give LRT_LATEST_FRAME_WINS or LRT_EVERY_FRAME");
  }
  return known;
}

}  // namespace

lrt_status lrt_pipeline_create(lrt_session* segmenter, lrt_session* generator,
                               const lrt_pipeline_options* options, lrt_pipeline** pipeline) {
  if (pipeline != nullptr) *pipeline = nullptr;
  return guarded([&] {
    require(generator, "generator");
    require(pipeline, "pipeline");
    auto made = std::make_shared<Pipeline>(segmenter, generator, checked_options(options));
    made->start();
    *pipeline = handles().add(std::move(made));
  });
}

lrt_status lrt_pipeline_push(lrt_pipeline* pipeline, const uint8_t* frame, size_t stride, int64_t user_stamp,
                             int32_t timeout_ms) {
  return guarded([&] {
    const auto found = handles().find(pipeline);
    require(frame, "frame");
    if (!found->push(frame, stride, user_stamp, timeout_ms)) {
      throw Error(LRT_TIMEOUT, "the pipeline could not take the frame within " + std::to_string(timeout_ms) +
                                   " ms; read results, or push the frame again");
    }
  });
}

lrt_status lrt_pipeline_run(lrt_pipeline* pipeline, lrt_pipeline_capture_fn capture, void* user_data) {
  return guarded([&] {
    const auto found = handles().find(pipeline);
    if (capture == nullptr) throw Error(LRT_INVALID_ARGUMENT, "capture is NULL");
    found->run(capture, user_data);
  });
}

lrt_status lrt_pipeline_next(lrt_pipeline* pipeline, const lrt_pipeline_result** result, int32_t timeout_ms) {
  if (result != nullptr) *result = nullptr;
  return guarded([&] {
    const auto found = handles().find(pipeline);
    require(result, "result");
    if (!found->next(result, timeout_ms)) {
      throw Error(LRT_TIMEOUT, "the pipeline had no result within " + std::to_string(timeout_ms) + " ms");
    }
  });
}

lrt_status lrt_pipeline_flush(lrt_pipeline* pipeline) {
  return guarded([&] { handles().find(pipeline)->flush(); });
}

lrt_status lrt_pipeline_get_stats(const lrt_pipeline* pipeline, lrt_pipeline_stats* stats) {
  return guarded([&] {
    const auto found = handles().find(pipeline);
    lrt_pipeline_stats now{};
    found->read(&now);
    layoutrt::write_struct(now, "stats", "lrt_pipeline_stats", stats);
  });
}

lrt_status lrt_pipeline_destroy(lrt_pipeline* pipeline) {
  if (pipeline == nullptr) return LRT_OK;
  return guarded([&] {
    const auto found = handles().find(pipeline);
    found->stop();
    handles().remove(pipeline);
  });
}
