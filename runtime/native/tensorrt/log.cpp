#include "tensorrt/log.h"

#include <memory>
#include <utility>

namespace layoutrt::trt {
namespace {

std::string& first_error() {
  thread_local std::string error;
  return error;
}

}  // namespace

void Log::log(Severity severity, const char* message) noexcept {
  if (severity > Severity::kERROR || message == nullptr) return;
  try {
    if (first_error().empty()) first_error() = message;
  } catch (...) {
    // A sentence without TensorRT's part is still one.
  }
}

std::string Log::take_error() { return std::exchange(first_error(), {}); }

Log& log() {
  // Never destroyed: TensorRT keeps it until the process ends.
  static Log& made = *std::make_unique<Log>().release();
  return made;
}

}  // namespace layoutrt::trt
