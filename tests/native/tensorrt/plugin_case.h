// A case of the plugin harness: a folder with case.txt and the bytes of its tensors.
//
//   plugin PredictedConv
//   attribute weight_layout char OHWI          char, int32 or float32, and the values
//   input float16 linear 1x16x6x8 x.bin        element type, format (linear, hwc8 or chw32), shape, file
//   output float16 linear 1x16x6x8 y.bin       written by the harness
#pragma once

#include <NvInferRuntime.h>

#include <string>
#include <vector>

namespace harness {

struct Attribute {
  std::string name;
  nvinfer1::PluginFieldType type;
  std::vector<char> data;
  int32_t length = 0;
};

struct Tensor {
  nvinfer1::DataType type;
  nvinfer1::TensorFormat format = nvinfer1::TensorFormat::kLINEAR;
  nvinfer1::Dims dims{};
  std::vector<char> data;
  std::string file;

  size_t bytes() const;  // with the padding of its format
};

struct Case {
  std::string plugin;
  std::vector<Attribute> attributes;
  std::vector<Tensor> inputs;
  Tensor output;
};

// Throws std::runtime_error.
Case read_case(const std::string& folder);
void write_output(const std::string& folder, const Case& made);

}  // namespace harness
