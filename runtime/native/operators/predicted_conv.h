// PredictedConv(x, h, weight, bias, scale?, shift?) -> y: SpatiallyVaryingConv whose w is Conv(h, weight,
// bias).
#pragma once

#include "operators/custom_operator.h"

namespace layoutrt::operators {

class PredictedConv {
 public:
  static constexpr const char* kName = "PredictedConv";
  static constexpr Input kInputs[] = {{ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, false},
                                      {ort::kFloat, false}, {ort::kFloat, true},  {ort::kFloat, true}};
  static constexpr int kOutput = ort::kFloat;

  explicit PredictedConv(const KernelInfo& info);
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference) { inference.set_output(inference.input(0)); }
};

}  // namespace layoutrt::operators
