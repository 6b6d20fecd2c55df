// SpatiallyVaryingConv(x, w, scale?, shift?) -> y: every pixel and channel with its own kernel.
#pragma once

#include "operators/custom_operator.h"

namespace layoutrt::operators {

class SpatiallyVaryingConv {
 public:
  static constexpr const char* kName = "SpatiallyVaryingConv";
  static constexpr Input kInputs[] = {
      {ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, true}, {ort::kFloat, true}};
  static constexpr int kOutput = ort::kFloat;

  explicit SpatiallyVaryingConv(const KernelInfo&) {}
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference) { inference.set_output(inference.input(0)); }
};

}  // namespace layoutrt::operators
