// LayoutConv(labels, table, bias; strides) -> y: exactly Conv(OneHot(labels)), padding k/2.
#pragma once

#include "operators/custom_operator.h"
#include "operators/layout_conv_plan.h"

namespace layoutrt::operators {

class LayoutConv {
 public:
  static constexpr const char* kName = "LayoutConv";
  static constexpr Input kInputs[] = {{ort::kUint8, false}, {ort::kFloat, false}, {ort::kFloat, false}};
  static constexpr int kOutput = ort::kFloat;

  explicit LayoutConv(const KernelInfo& info);
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference);

 private:
  static LayoutConvTable prepare(const Tensor& table, const Tensor& bias);

  int stride_ = 1;
  bool constant_ = false;
  LayoutConvTable prepared_;  // where table and bias are constants of the model
};

}  // namespace layoutrt::operators
