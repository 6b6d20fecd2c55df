// Attributes of a plugin, read from the fields of an ONNX node or of a serialized engine.
#pragma once

#include <NvInferRuntime.h>

#include <optional>
#include <string>
#include <vector>

namespace layoutrt::trt {

// Every function throws std::invalid_argument, with a sentence that names the field, where the field is
// missing and has no fallback, or is of another type or length.
class FieldReader {
 public:
  // `fields` may be null, which means an empty list.
  explicit FieldReader(const nvinfer1::PluginFieldCollection* fields) : fields_(fields) {}

  int32_t integer(const char* name, std::optional<int32_t> fallback = std::nullopt) const;
  std::vector<int32_t> integers(const char* name) const;
  float real(const char* name, std::optional<float> fallback = std::nullopt) const;
  std::vector<float> reals(const char* name) const;
  std::string text(const char* name) const;

 private:
  const nvinfer1::PluginField* find(const char* name) const;
  const nvinfer1::PluginField& require(const char* name, nvinfer1::PluginFieldType type,
                                       const char* type_name) const;

  const nvinfer1::PluginFieldCollection* fields_;
};

}  // namespace layoutrt::trt
