// ConvToImage(x, weight, bias, y?) -> image: round_half_even(tanh(Conv(x and y)) * 127.5 + 127.5), the last
// convolution of a generator with its conversion to RGB bytes.
#pragma once

#include <vector>

#include "operators/custom_operator.h"

namespace layoutrt::operators {

class ConvToImage {
 public:
  static constexpr const char* kName = "ConvToImage";
  static constexpr Input kInputs[] = {
      {ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, true}};
  static constexpr int kOutput = ort::kUint8;

  explicit ConvToImage(const KernelInfo& info);
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference);

 private:
  std::vector<float> packed_;  // where the weight is a constant of the model
};

}  // namespace layoutrt::operators
