// QuantizedPredictedConv(x, h, weight, bias, scale?, shift?) -> y: PredictedConv with 8-bit features and
// weights.
#pragma once

#include "operators/custom_operator.h"
#include "operators/quantized_predictor.h"

namespace layoutrt::operators {

class QuantizedPredictedConv {
 public:
  static constexpr const char* kName = "QuantizedPredictedConv";
  static constexpr Input kInputs[] = {{ort::kFloat, false}, {ort::kFloat, false}, {ort::kInt8, false},
                                      {ort::kFloat, false}, {ort::kFloat, true},  {ort::kFloat, true}};
  static constexpr int kOutput = ort::kFloat;

  explicit QuantizedPredictedConv(const KernelInfo& info);
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference) { inference.set_output(inference.input(0)); }

 private:
  QuantizedPredictor predictor_;
  QuantizedPredictor::Weights constant_;  // where weight and bias are constants of the model
};

}  // namespace layoutrt::operators
