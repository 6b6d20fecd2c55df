// ChannelSoftsign(x, scale) -> y: x / (1 + scale * |x|), with a scale for each channel.
#pragma once

#include "operators/custom_operator.h"

namespace layoutrt::operators {

class ChannelSoftsign {
 public:
  static constexpr const char* kName = "ChannelSoftsign";
  static constexpr Input kInputs[] = {{ort::kFloat, false}, {ort::kFloat, false}};
  static constexpr int kOutput = ort::kFloat;

  explicit ChannelSoftsign(const KernelInfo&) {}
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference) { inference.set_output(inference.input(0)); }
};

}  // namespace layoutrt::operators
