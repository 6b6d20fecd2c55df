#include "tensorrt/plugins/log.h"

#include <atomic>
#include <cstdio>

namespace layoutrt::trt {
namespace {

std::atomic<nvinfer1::ILoggerFinder*> logger_finder{nullptr};

}  // namespace

void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept {
  if (finder != nullptr) logger_finder = finder;
}

void log_error(const std::string& sentence) noexcept {
  nvinfer1::ILoggerFinder* finder = logger_finder;
  nvinfer1::ILogger* logger = finder == nullptr ? nullptr : finder->findLogger();
  if (logger != nullptr) {
    logger->log(nvinfer1::ILogger::Severity::kERROR, sentence.c_str());
  } else {
    std::fprintf(stderr, "layoutrt: %s\n", sentence.c_str());
  }
}

}  // namespace layoutrt::trt
