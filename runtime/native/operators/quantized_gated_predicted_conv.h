// QuantizedGatedPredictedConv: GatedPredictedConv with 8-bit features and weights, the inputs in the same
// order.
#pragma once

#include <vector>

#include "operators/custom_operator.h"
#include "operators/quantized_predictor.h"

namespace layoutrt::operators {

class QuantizedGatedPredictedConv {
 public:
  static constexpr const char* kName = "QuantizedGatedPredictedConv";
  static constexpr Input kInputs[] = {{ort::kFloat, false}, {ort::kFloat, false}, {ort::kInt8, false},
                                      {ort::kFloat, false}, {ort::kFloat, false}, {ort::kFloat, false},
                                      {ort::kInt8, false},  {ort::kFloat, false}, {ort::kFloat, false},
                                      {ort::kInt8, false},  {ort::kFloat, false}, {ort::kFloat, false}};
  static constexpr int kOutput = ort::kFloat;

  explicit QuantizedGatedPredictedConv(const KernelInfo& info);
  void compute(const KernelContext& context) const;
  static void infer(const ShapeInference& inference);

 private:
  // A 1x1 convolution: mix or gate_weight.
  struct Product {
    const char* name;  // of the weight
    const char* form;  // of its shape
    const char* scale_name;
    Quantization in;
    std::vector<float> scale;
  };
  struct ProductWeights {
    Shape shape;
    std::vector<int32_t> words;
    std::vector<int32_t> offset;
    std::vector<float> step;
  };
  struct Weights {
    QuantizedPredictor::Weights predictor;
    ProductWeights mix;
    ProductWeights gate;
  };
  static ProductWeights prepare(const Product& product, const Tensor& weight);
  static kernels::QuantizedProduct describe(const Product& product, const ProductWeights& weights,
                                            const Tensor& bias);

  QuantizedPredictor predictor_;
  Product mix_;
  Product gate_;
  float alpha_;
  bool is_constant_ = false;
  Weights constant_;  // where the weights and the predictor's bias are constants of the model
};

}  // namespace layoutrt::operators
