// Output shapes at the time a model is loaded, with the names of dynamic dimensions carried along.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "onnxruntime/abi.h"

namespace layoutrt::operators {

struct Dimension {
  int64_t size = -1;  // -1: only known when the model runs
  std::string name;   // of a dynamic dimension; may be empty
  bool known() const { return size >= 0 || !name.empty(); }
};

class ShapeInference {
 public:
  ShapeInference(const ort::Functions& api, OrtShapeInferContext* context, int output_type)
      : api_(api), context_(context), output_type_(output_type) {}

  // The dimensions of an input, or none if it is absent or its rank is not known.
  std::vector<Dimension> input(size_t index) const;
  std::vector<int64_t> ints(const char* name) const;
  // Dimensions that are neither known nor named stay open.
  // None at all stand for an open shape of four dimensions, which is what every operator returns.
  void set_output(std::vector<Dimension> dimensions) const;

 private:
  const ort::Functions& api_;
  OrtShapeInferContext* context_;
  int output_type_;  // element type
};

}  // namespace layoutrt::operators
