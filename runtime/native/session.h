// A model that is ready to run: checks what the caller gives, hands it to the engine, and keeps time.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine.h"

namespace layoutrt {

class Session {
 public:
  explicit Session(std::unique_ptr<Engine> engine);

  lrt_session_info info() const;
  const std::map<std::string, std::string>& metadata() const { return engine_->metadata(); }
  // Throws Error.
  void run(const lrt_tensor* inputs, size_t input_count, lrt_tensor* outputs, size_t output_count);
  lrt_timings timings() const;

 private:
  std::unique_ptr<Engine> engine_;
  std::string backend_;
  std::vector<lrt_tensor_info> inputs_;
  std::vector<lrt_tensor_info> outputs_;
  mutable std::mutex mutex_;  // of everything below, and of the engine's run
  lrt_timings timings_{};
};

}  // namespace layoutrt
