// The predictor of a quantized conditional convolution as the kernels read it.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/quantized_weight.h"

namespace layoutrt::operators {

class QuantizedPredictor {
 public:
  // Reads the attributes h_scale, h_zero_point and weight_scale of the operator `op`, whose kernels take
  // predictors of size 1, and of size 3 where `three_by_three`. Throws Error.
  QuantizedPredictor(const KernelInfo& info, const char* op, bool three_by_three);

  struct Weights {
    Shape shape;
    std::vector<int32_t> words;
    std::vector<int32_t> offset;
    std::vector<float> bias;  // in steps
  };
  // weight int8 [C*9, J, p, p] and bias float [C*9]. Throws Error.
  Weights prepare(const Tensor& weight, const Tensor& bias) const;

  // For kernels: y is null. x [N, C, H, W] and h [N, J, H, W] have been checked against the weights.
  kernels::QuantizedPredictedConv describe(const Tensor& x, const Tensor& h, const Weights& weights,
                                           const float* scale, const float* shift) const;

 private:
  const char* op_;
  bool three_by_three_;
  Quantization h_;
  std::vector<float> weight_scale_;
  std::vector<float> step_;
};

}  // namespace layoutrt::operators
