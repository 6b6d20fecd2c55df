#include "tensorrt/plugins/fields.h"

#include <cstring>
#include <stdexcept>

namespace layoutrt::trt {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

namespace {

[[noreturn]] void refuse(const char* name, const std::string& what) {
  throw std::invalid_argument(std::string("the attribute '") + name + "' " + what +
                              "; write the file with layoutrt calibrate --target tensorrt");
}

}  // namespace

const PluginField* FieldReader::find(const char* name) const {
  for (int32_t i = 0; fields_ != nullptr && i < fields_->nbFields; ++i) {
    const PluginField& field = fields_->fields[i];
    if (field.name != nullptr && std::strcmp(field.name, name) == 0) return &field;
  }
  return nullptr;
}

const PluginField& FieldReader::require(const char* name, PluginFieldType type, const char* type_name) const {
  const PluginField* field = find(name);
  if (field == nullptr) refuse(name, "is missing");
  if (field->type != type || field->length < 0 || (field->data == nullptr && field->length > 0)) {
    refuse(name, std::string("must be ") + type_name);
  }
  return *field;
}

int32_t FieldReader::integer(const char* name, std::optional<int32_t> fallback) const {
  if (find(name) == nullptr && fallback.has_value()) return *fallback;
  const std::vector<int32_t> values = integers(name);
  if (values.size() != 1) refuse(name, "must be one integer");
  return values.front();
}

std::vector<int32_t> FieldReader::integers(const char* name) const {
  // The parser gives ONNX's integers in 32 bits.
  const PluginField& field = require(name, PluginFieldType::kINT32, "of int32");
  std::vector<int32_t> values(static_cast<size_t>(field.length));
  if (!values.empty()) std::memcpy(values.data(), field.data, values.size() * sizeof(int32_t));
  return values;
}

float FieldReader::real(const char* name, std::optional<float> fallback) const {
  if (find(name) == nullptr && fallback.has_value()) return *fallback;
  const std::vector<float> values = reals(name);
  if (values.size() != 1) refuse(name, "must be one float");
  return values.front();
}

std::vector<float> FieldReader::reals(const char* name) const {
  const PluginField& field = require(name, PluginFieldType::kFLOAT32, "of float32");
  std::vector<float> values(static_cast<size_t>(field.length));
  if (!values.empty()) std::memcpy(values.data(), field.data, values.size() * sizeof(float));
  return values;
}

std::string FieldReader::text(const char* name) const {
  const PluginField& field = require(name, PluginFieldType::kCHAR, "a string");
  const std::string value(static_cast<const char*>(field.data), static_cast<size_t>(field.length));
  return value.substr(0, value.find('\0'));
}

}  // namespace layoutrt::trt
