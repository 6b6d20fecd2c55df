// Messages of the plugins, through the logger of the TensorRT that loaded them.
#pragma once

#include <NvInferRuntime.h>

#include <string>

namespace layoutrt::trt {

// Keeps the finder that TensorRT hands to the library when it loads it.
void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept;

// One sentence as an error; on stderr where TensorRT gave no logger.
void log_error(const std::string& sentence) noexcept;

}  // namespace layoutrt::trt
