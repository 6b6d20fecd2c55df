#include "operators/quantized_gated_predicted_conv.h"

#include "kernels/kernels.h"
#include "operators/pixel_tiles.h"

namespace layoutrt::operators {

QuantizedGatedPredictedConv::QuantizedGatedPredictedConv(const KernelInfo& info)
    : predictor_(info, kName, false),
      mix_{"mix", "[O, C, 1, 1]", "mix_scale", read_quantization(info, kName, "mix_in"),
           read_scales(info, kName, "mix_scale")},
      gate_{"gate_weight", "[O, G, 1, 1]", "gate_weight_scale", read_quantization(info, kName, "gate_h"),
            read_scales(info, kName, "gate_weight_scale")},
      alpha_(info.number("alpha").value_or(0.2f)) {
  Tensor weight;
  Tensor bias;
  Tensor mix;
  Tensor gate_weight;
  is_constant_ = info.constant_input(2, &weight) && info.constant_input(3, &bias) &&
                 info.constant_input(6, &mix) && info.constant_input(9, &gate_weight);
  if (is_constant_) {
    constant_ = {predictor_.prepare(weight, bias), prepare(mix_, mix), prepare(gate_, gate_weight)};
  }
}

QuantizedGatedPredictedConv::ProductWeights QuantizedGatedPredictedConv::prepare(const Product& product,
                                                                                 const Tensor& weight) {
  require_shape(kName, product.name, product.form, {-1, -1, 1, 1}, weight.shape);
  const int64_t outputs = weight.shape[0];
  const int64_t inputs = weight.shape[1];
  require_exact_sums(kName, product.name, "the number of its input channels", inputs, weight.shape);
  require_scales(kName, product.scale_name, product.scale, outputs);
  const kernels::DotFormat format = kernels::kernel_table().dot_format();
  const auto* values = weight.as<int8_t>();
  ProductWeights weights{weight.shape, pack_words(values, outputs, 1, inputs, 1, format),
                         dot_offsets(values, outputs, inputs, product.in.zero_point, format), product.scale};
  for (float& step : weights.step) step *= product.in.scale;
  return weights;
}

kernels::QuantizedProduct QuantizedGatedPredictedConv::describe(const Product& product,
                                                                const ProductWeights& weights,
                                                                const Tensor& bias) {
  return {weights.words.data(), weights.offset.data(), weights.step.data(),
          bias.as<float>(),     product.in.scale,      product.in.zero_point};
}

void QuantizedGatedPredictedConv::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor h = context.input(1);
  const Tensor scale = context.input(4);
  const Tensor shift = context.input(5);
  const Tensor mix_bias = context.input(7);
  const Tensor gate_h = context.input(8);
  const Tensor gate_bias = context.input(10);
  const Tensor residual = context.input(11);
  Weights made;
  if (!is_constant_) {
    made = {predictor_.prepare(context.input(2), context.input(3)), prepare(mix_, context.input(6)),
            prepare(gate_, context.input(9))};
  }
  const Weights& weights = is_constant_ ? constant_ : made;

  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  const int64_t images = x.shape[0];
  const int64_t channels = x.shape[1];
  const int64_t height = x.shape[2];
  const int64_t width = x.shape[3];
  require_shape(kName, "h", "[N, J, H, W]", {images, -1, height, width}, h.shape);
  require_shape(kName, "weight", "[C*9, J, 1, 1]", {channels * 9, h.shape[1], 1, 1}, weights.predictor.shape);
  require_shape(kName, "scale", "[C]", {channels}, scale.shape);
  require_shape(kName, "shift", "[C]", {channels}, shift.shape);
  require_shape(kName, "mix", mix_.form, {-1, channels, 1, 1}, weights.mix.shape);
  const int64_t out_channels = weights.mix.shape[0];
  require_shape(kName, "mix_bias", "[O]", {out_channels}, mix_bias.shape);
  require_shape(kName, "gate_h", "[N, G, H, W]", {images, -1, height, width}, gate_h.shape);
  require_shape(kName, "gate_weight", gate_.form, {out_channels, gate_h.shape[1], 1, 1}, weights.gate.shape);
  require_shape(kName, "gate_bias", "[O]", {out_channels}, gate_bias.shape);
  const Shape out_shape{images, out_channels, height, width};
  const bool number = residual.shape == Shape{1, 1, 1, 1};
  if (!number) require_shape(kName, "residual", "[1, 1, 1, 1] or [N, O, H, W]", out_shape, residual.shape);
  float* y = context.output(out_shape);
  if (element_count(out_shape) == 0) return;
  require_channels(kName, "x", x.shape);
  require_channels(kName, "h", h.shape);
  require_channels(kName, "gate_h", gate_h.shape);

  const kernels::QuantizedGatedPredictedConv conv{
      predictor_.describe(x, h, weights.predictor, scale.as<float>(), shift.as<float>()),
      describe(mix_, weights.mix, mix_bias),
      describe(gate_, weights.gate, gate_bias),
      gate_h.as<float>(),
      residual.as<float>(),
      y,
      out_channels,
      gate_h.shape[1],
      number,
      alpha_};
  const PixelTiles tiles(images, channels, height, width, false);
  const auto& table = kernels::kernel_table();
  context.parallel_for(tiles.count(), [&](int64_t i) {
    const kernels::PixelTile tile = tiles.tile(i);
    table.quantized_gated_predicted_conv(
        conv, tiles.image(i), tile, thread_scratch(table.quantized_gated_predicted_conv_scratch(conv, tile)));
  });
}

void QuantizedGatedPredictedConv::infer(const ShapeInference& inference) {
  auto out = inference.input(0);
  const auto mix = inference.input(6);
  if (out.size() == 4) out[1] = mix.size() == 4 ? mix[0] : Dimension{};
  inference.set_output(out);
}

}  // namespace layoutrt::operators
