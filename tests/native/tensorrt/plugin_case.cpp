#include "plugin_case.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace harness {

using nvinfer1::DataType;
using nvinfer1::PluginFieldType;
using nvinfer1::TensorFormat;

namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

DataType data_type(const std::string& name) {
  if (name == "float32") return DataType::kFLOAT;
  if (name == "float16") return DataType::kHALF;
  if (name == "int8") return DataType::kINT8;
  if (name == "int32") return DataType::kINT32;
  fail("no element type " + name);
}

size_t element_bytes(DataType type) {
  if (type == DataType::kHALF) return 2;
  return type == DataType::kINT8 ? 1 : 4;
}

nvinfer1::Dims read_dims(const std::string& text) {
  nvinfer1::Dims dims{};
  std::istringstream words(text);
  std::string word;
  while (std::getline(words, word, 'x')) dims.d[dims.nbDims++] = std::stoll(word);
  return dims;
}

template <class Value>
void append(Value value, Attribute* attribute) {
  const auto* bytes = reinterpret_cast<const char*>(&value);
  attribute->data.insert(attribute->data.end(), bytes, bytes + sizeof(value));
  ++attribute->length;
}

Attribute read_attribute(std::istream& words) {
  Attribute attribute;
  std::string type;
  std::string word;
  words >> attribute.name >> type;
  attribute.type = type == "char"    ? PluginFieldType::kCHAR
                   : type == "int32" ? PluginFieldType::kINT32
                                     : PluginFieldType::kFLOAT32;
  while (words >> word) {
    if (type == "char") {
      attribute.data.assign(word.begin(), word.end());
      attribute.length = static_cast<int32_t>(word.size());
    } else if (type == "int32") {
      append<int32_t>(std::stoi(word), &attribute);
    } else {
      append<float>(std::stof(word), &attribute);
    }
  }
  return attribute;
}

Tensor read_tensor(std::istream& words) {
  Tensor tensor;
  std::string type;
  std::string format;
  std::string dims;
  words >> type >> format >> dims >> tensor.file;
  tensor.type = data_type(type);
  tensor.format = format == "hwc8"    ? TensorFormat::kHWC8
                  : format == "chw32" ? TensorFormat::kCHW32
                                      : TensorFormat::kLINEAR;
  tensor.dims = read_dims(dims);
  return tensor;
}

}  // namespace

size_t Tensor::bytes() const {
  size_t count = element_bytes(type);
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    const int64_t group = i != 1 || format == TensorFormat::kLINEAR ? 1
                          : format == TensorFormat::kHWC8           ? 8
                                                                    : 32;
    count *= static_cast<size_t>((dims.d[i] + group - 1) / group * group);
  }
  return count;
}

Case read_case(const std::string& folder) {
  std::ifstream lines(folder + "/case.txt");
  if (!lines) fail("there is no " + folder + "/case.txt");
  Case made;
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "plugin") {
      words >> made.plugin;
    } else if (kind == "attribute") {
      made.attributes.push_back(read_attribute(words));
    } else if (kind == "input") {
      made.inputs.push_back(read_tensor(words));
    } else if (kind == "output") {
      made.output = read_tensor(words);
    }
  }
  for (Tensor& input : made.inputs) {
    std::ifstream file(folder + "/" + input.file, std::ios::binary);
    input.data.assign(std::istreambuf_iterator<char>(file), {});
    if (input.data.size() != input.bytes()) {
      fail(input.file + " has " + std::to_string(input.data.size()) + " bytes, not " +
           std::to_string(input.bytes()));
    }
  }
  return made;
}

void write_output(const std::string& folder, const Case& made) {
  std::ofstream file(folder + "/" + made.output.file, std::ios::binary);
  file.write(made.output.data.data(), static_cast<std::streamsize>(made.output.data.size()));
  if (!file) fail("cannot write " + folder + "/" + made.output.file);
}

}  // namespace harness
