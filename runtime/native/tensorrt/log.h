// Log of TensorRT: its errors become part of our error sentences.
#pragma once

#include <NvInferRuntime.h>

#include <string>

namespace layoutrt::trt {

// TensorRT has one logger for a process. Errors are kept for each thread, because TensorRT reports what a
// call failed with from the calling thread; warnings go nowhere.
class Log final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override;

  // The first error of this thread since the last call of this, which is the cause of those after it; "" if
  // there was none.
  static std::string take_error();
};

Log& log();

}  // namespace layoutrt::trt
