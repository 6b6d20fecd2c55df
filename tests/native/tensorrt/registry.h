// A plugin registry that loads operator libraries as TensorRT's does.
#pragma once

#include <string>
#include <vector>

#include "stubs.h"

namespace doubles {

class Registry final : public stubs::IPluginRegistry {
 public:
  // What plugins log goes to `logger`, if it is set.
  void set_logger(nvinfer1::ILogger* logger) { finder_.logger = logger; }

  long loads() const { return loads_; }  // calls of loadLibrary

  PluginLibraryHandle loadLibrary(const char* path) noexcept override;
  bool registerCreator(nvinfer1::IPluginCreatorInterface& creator, const char* space) noexcept override;
  nvinfer1::IPluginCreatorInterface* getCreator(const char* name, const char* version,
                                                const char* space) noexcept override;
  nvinfer1::IPluginCreatorInterface* const* getAllCreators(int32_t* count) const noexcept override {
    *count = static_cast<int32_t>(creators_.size());
    return creators_.data();
  }

 private:
  struct Finder final : nvinfer1::ILoggerFinder {
    nvinfer1::ILogger* logger = nullptr;
    nvinfer1::ILogger* findLogger() override { return logger; }
  };

  Finder finder_;
  long loads_ = 0;
  std::vector<nvinfer1::IPluginCreatorInterface*> creators_;
};

}  // namespace doubles
