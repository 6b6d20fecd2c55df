// GatedPredictedConv(x, h, weight, bias, scale, shift, mix, mix_bias, gate_h, gate_weight, gate_bias,
// residual; alpha) -> y: residual + leaky_relu((mix * PredictedConv + mix_bias) * sigmoid(gate), alpha).
#pragma once

#include "operators/custom_operator.h"

namespace layoutrt::operators {

class GatedPredictedConv {
 public:
  static constexpr const char* kName = "GatedPredictedConv";
  static constexpr Input kInputs[] = {{ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, false},
                                      {ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, false},
                                      {ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, false},
                                      {ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, false}};
  static constexpr int kOutput = ort::kFloat;

  explicit GatedPredictedConv(const KernelInfo& info) : alpha_(info.number("alpha").value_or(0.2f)) {}
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference);

 private:
  float alpha_;
};

}  // namespace layoutrt::operators
