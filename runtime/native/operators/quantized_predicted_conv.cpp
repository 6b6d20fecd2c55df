#include "operators/quantized_predicted_conv.h"

#include "error.h"
#include "kernels/kernels.h"
#include "operators/affine.h"
#include "operators/predicted_conv_plan.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kTaps = 9;

// The same tiles as PredictedConv, whose strip has one float where this one has a word.
PredictedConvTiles make_tiles(const kernels::QuantizedPredictedConv& conv, int values, int64_t images) {
  kernels::PredictedConv sizes{};
  sizes.channels = conv.channels;
  sizes.features = (conv.features + values - 1) / values;
  sizes.height = conv.height;
  sizes.width = conv.width;
  sizes.predictor_size = conv.predictor_size;
  return PredictedConvTiles(sizes, images);
}

}  // namespace

QuantizedPredictedConv::QuantizedPredictedConv(const KernelInfo& info)
    : h_(read_quantization(info, kName, "h")), weight_scale_(read_scales(info, kName, "weight_scale")) {
  for (const float scale : weight_scale_) step_.push_back(h_.scale * scale);
  Tensor weight;
  Tensor bias;
  if (info.constant_input(2, &weight) && info.constant_input(3, &bias)) constant_ = prepare(weight, bias);
}

QuantizedPredictedConv::Predictor QuantizedPredictedConv::prepare(const Tensor& weight,
                                                                  const Tensor& bias) const {
  require_shape(kName, "weight", "[C*k*k, J, p, p]", {-1, -1, -1, -1}, weight.shape);
  const int64_t rows = weight.shape[0];
  const int64_t features = weight.shape[1];
  const int64_t p = weight.shape[2];
  if (rows % kTaps != 0 || weight.shape[3] != p || (p != 1 && p != 3)) {
    throw Error(LRT_INVALID_ARGUMENT,
                "QuantizedPredictedConv: weight must be [C*k*k, J, p, p] with k = 3 and p = 1 or 3, got " +
                    to_string(weight.shape));
  }
  if (features * p * p > kernels::kQuantizedSumLimit) {
    throw Error(LRT_INVALID_ARGUMENT, "QuantizedPredictedConv: J*p*p must be at most " +
                                          std::to_string(kernels::kQuantizedSumLimit) + ", got weight " +
                                          to_string(weight.shape));
  }
  const auto channels = static_cast<int64_t>(weight_scale_.size());
  if (rows != channels * kTaps) {
    throw Error(LRT_INVALID_ARGUMENT,
                "QuantizedPredictedConv: weight_scale must have one number for each of " +
                    std::to_string(rows / kTaps) + " channels, got " + std::to_string(channels));
  }
  require_shape(kName, "bias", "[C*k*k]", {rows}, bias.shape);

  const kernels::DotFormat format = kernels::kernel_table().dot_format();
  const auto* values = weight.as<int8_t>();
  Predictor predictor{weight.shape, pack_words(values, channels, kTaps, features, p * p, format),
                      dot_offsets(values, rows, features * p * p, h_.zero_point, format),
                      std::vector<float>(static_cast<size_t>(rows))};
  for (int64_t row = 0; row < rows; ++row) {
    predictor.bias[row] = bias.as<float>()[row] / step_[row / kTaps];
  }
  return predictor;
}

void QuantizedPredictedConv::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor h = context.input(1);
  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  const int64_t images = x.shape[0];
  const int64_t channels = x.shape[1];
  const int64_t height = x.shape[2];
  const int64_t width = x.shape[3];
  require_shape(kName, "h", "[N, J, H, W]", {images, -1, height, width}, h.shape);

  Predictor made;
  if (constant_.weight_shape.empty()) made = prepare(context.input(2), context.input(3));
  const Predictor& predictor = constant_.weight_shape.empty() ? made : constant_;
  const int64_t p = predictor.weight_shape[2];
  require_shape(kName, "weight", "[C*k*k, J, p, p]", {channels * kTaps, h.shape[1], p, p},
                predictor.weight_shape);
  const Affine affine = read_affine(context, kName, 4, channels);
  float* y = context.output(x.shape);
  if (element_count(x.shape) == 0) return;

  const kernels::QuantizedPredictedConv conv{x.as<float>(),
                                             h.as<float>(),
                                             predictor.words.data(),
                                             predictor.offset.data(),
                                             predictor.bias.data(),
                                             step_.data(),
                                             affine.scale,
                                             affine.shift,
                                             y,
                                             channels,
                                             h.shape[1],
                                             height,
                                             width,
                                             static_cast<int>(p),
                                             h_.scale,
                                             h_.zero_point};
  const auto& table = kernels::kernel_table();
  const PredictedConvTiles tiles = make_tiles(conv, table.dot_format().values, images);
  context.parallel_for(tiles.count(), [&](int64_t i) {
    const kernels::Tile tile = tiles.tile(i);
    table.quantized_predicted_conv(conv, tiles.image(i), tile,
                                   thread_scratch(table.quantized_predicted_conv_scratch(conv, tile)));
  });
}

}  // namespace layoutrt::operators
