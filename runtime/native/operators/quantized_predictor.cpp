#include "operators/quantized_predictor.h"

#include "error.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kTaps = 9;

}  // namespace

QuantizedPredictor::QuantizedPredictor(const KernelInfo& info, const char* op, bool three_by_three)
    : op_(op),
      three_by_three_(three_by_three),
      h_(read_quantization(info, op, "h")),
      weight_scale_(read_scales(info, op, "weight_scale")) {
  for (const float scale : weight_scale_) step_.push_back(h_.scale * scale);
}

QuantizedPredictor::Weights QuantizedPredictor::prepare(const Tensor& weight, const Tensor& bias) const {
  require_shape(op_, "weight", "[C*k*k, J, p, p]", {-1, -1, -1, -1}, weight.shape);
  const int64_t rows = weight.shape[0];
  const int64_t features = weight.shape[1];
  const int64_t p = weight.shape[2];
  if (rows % kTaps != 0 || weight.shape[3] != p || (p != 1 && (p != 3 || !three_by_three_))) {
    throw Error(LRT_INVALID_ARGUMENT,
                std::string(op_) + ": weight must be [C*k*k, J, p, p] with k = 3 and p = 1" +
                    (three_by_three_ ? " or 3" : "") + ", got " + to_string(weight.shape));
  }
  require_exact_sums(op_, "weight", "J*p*p", features * p * p, weight.shape);
  require_scales(op_, "weight_scale", weight_scale_, rows / kTaps);
  require_shape(op_, "bias", "[C*k*k]", {rows}, bias.shape);

  const kernels::DotFormat format = kernels::kernel_table().dot_format();
  const auto* values = weight.as<int8_t>();
  Weights weights{weight.shape, pack_words(values, rows / kTaps, kTaps, features, p * p, format),
                  dot_offsets(values, rows, features * p * p, h_.zero_point, format),
                  std::vector<float>(static_cast<size_t>(rows))};
  for (int64_t row = 0; row < rows; ++row) weights.bias[row] = bias.as<float>()[row] / step_[row / kTaps];
  return weights;
}

kernels::QuantizedPredictedConv QuantizedPredictor::describe(const Tensor& x, const Tensor& h,
                                                             const Weights& weights, const float* scale,
                                                             const float* shift) const {
  kernels::QuantizedPredictedConv conv{};
  conv.x = x.as<float>();
  conv.h = h.as<float>();
  conv.weight = weights.words.data();
  conv.offset = weights.offset.data();
  conv.bias = weights.bias.data();
  conv.step = step_.data();
  conv.scale = scale;
  conv.shift = shift;
  conv.channels = x.shape[1];
  conv.features = h.shape[1];
  conv.height = x.shape[2];
  conv.width = x.shape[3];
  conv.predictor_size = static_cast<int>(weights.shape[2]);
  conv.h_scale = h_.scale;
  conv.h_zero_point = h_.zero_point;
  return conv;
}

}  // namespace layoutrt::operators
