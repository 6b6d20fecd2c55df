// Creator of the plugins of one operator, from an ONNX node while an engine is built and from an engine's own
// bytes when it is loaded.
#pragma once

#include <NvInferRuntime.h>

#include <exception>
#include <string>
#include <vector>

#include "tensorrt/plugins/fields.h"
#include "tensorrt/plugins/log.h"
#include "tensorrt/plugins/plugin.h"

namespace layoutrt::trt {

// Kind has: kName; field_names(), those of its attributes; and a constructor from (layer, FieldReader) that
// throws std::invalid_argument. A plugin serializes the fields it was made of, so both phases read the same.
template <class Kind>
class Creator final : public nvinfer1::IPluginCreatorV3One {
 public:
  Creator() : fields_(Kind::field_names()) {
    collection_ = {static_cast<int32_t>(fields_.size()), fields_.data()};
  }

  const char* getPluginName() const noexcept override { return Kind::kName; }
  const char* getPluginVersion() const noexcept override { return kVersion; }
  const char* getPluginNamespace() const noexcept override { return kNamespace; }
  const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override { return &collection_; }

  nvinfer1::IPluginV3* createPlugin(const char* name, const nvinfer1::PluginFieldCollection* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override {
    try {
      return std::make_unique<Kind>(name, FieldReader(fields)).release();
    } catch (const std::exception& error) {
      const bool building = phase == nvinfer1::TensorRTPhase::kBUILD;
      log_error(std::string(Kind::kName) + " '" + (name == nullptr ? "" : name) + "' of the " +
                (building ? "network" : "engine") + " cannot be made: " + error.what());
      return nullptr;
    }
  }

 private:
  std::vector<nvinfer1::PluginField> fields_;
  nvinfer1::PluginFieldCollection collection_{};
};

}  // namespace layoutrt::trt
