// PredictedConv(x, h, weight, bias, scale?, shift?) -> y: SpatiallyVaryingConv whose w is Conv(h, weight,
// bias).
#pragma once

#include <vector>

#include "operators/custom_operator.h"

namespace layoutrt::operators {

class PredictedConv {
 public:
  static constexpr const char* kName = "PredictedConv";
  static constexpr Input kInputs[] = {{ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, false},
                                      {ort::kFloat, false}, {ort::kFloat, true},  {ort::kFloat, true}};

  explicit PredictedConv(const KernelInfo& info);
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference) { inference.set_output(inference.input(0)); }

 private:
  bool constant_ = false;      // weight is a constant of the model
  std::vector<float> packed_;  // then, for p = 3
};

}  // namespace layoutrt::operators
