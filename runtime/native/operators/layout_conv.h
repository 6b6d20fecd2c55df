// LayoutConv(labels, table, bias; strides) -> y: exactly Conv(OneHot(labels)), padding k/2.
#pragma once

#include <vector>

#include "operators/custom_operator.h"

namespace layoutrt::operators {

class LayoutConv {
 public:
  static constexpr const char* kName = "LayoutConv";
  static constexpr Input kInputs[] = {{ort::kUint8, false}, {ort::kFloat, false}, {ort::kFloat, false}};

  explicit LayoutConv(const KernelInfo& info);
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference);

 private:
  // The table and bias in the form the kernel reads, and the sums of windows that have one label.
  struct Prepared {
    int label_count = 0;
    int kernel_size = 0;
    int64_t channels = 0;
    int64_t padded_channels = 0;
    std::vector<float> table;
    std::vector<float> bias;
    std::vector<float> uniform_sums;
  };
  static Prepared prepare(const Tensor& table, const Tensor& bias);

  int stride_ = 1;
  bool constant_ = false;
  Prepared prepared_;  // where table and bias are constants of the model
};

}  // namespace layoutrt::operators
