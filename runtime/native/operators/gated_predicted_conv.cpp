#include "operators/gated_predicted_conv.h"

#include "kernels/kernels.h"
#include "operators/pixel_tiles.h"

namespace layoutrt::operators {

void GatedPredictedConv::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor h = context.input(1);
  const Tensor weight = context.input(2);
  const Tensor bias = context.input(3);
  const Tensor scale = context.input(4);
  const Tensor shift = context.input(5);
  const Tensor mix = context.input(6);
  const Tensor mix_bias = context.input(7);
  const Tensor gate_h = context.input(8);
  const Tensor gate_weight = context.input(9);
  const Tensor gate_bias = context.input(10);
  const Tensor residual = context.input(11);

  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  const int64_t images = x.shape[0];
  const int64_t channels = x.shape[1];
  const int64_t height = x.shape[2];
  const int64_t width = x.shape[3];
  require_shape(kName, "h", "[N, J, H, W]", {images, -1, height, width}, h.shape);
  require_shape(kName, "weight", "[C*9, J, 1, 1]", {channels * 9, h.shape[1], 1, 1}, weight.shape);
  require_shape(kName, "bias", "[C*9]", {channels * 9}, bias.shape);
  require_shape(kName, "scale", "[C]", {channels}, scale.shape);
  require_shape(kName, "shift", "[C]", {channels}, shift.shape);
  require_shape(kName, "mix", "[O, C, 1, 1]", {-1, channels, 1, 1}, mix.shape);
  const int64_t out_channels = mix.shape[0];
  require_shape(kName, "mix_bias", "[O]", {out_channels}, mix_bias.shape);
  require_shape(kName, "gate_h", "[N, G, H, W]", {images, -1, height, width}, gate_h.shape);
  require_shape(kName, "gate_weight", "[O, G, 1, 1]", {out_channels, gate_h.shape[1], 1, 1},
                gate_weight.shape);
  require_shape(kName, "gate_bias", "[O]", {out_channels}, gate_bias.shape);
  const Shape out_shape{images, out_channels, height, width};
  const bool number = residual.shape == Shape{1, 1, 1, 1};
  if (!number) require_shape(kName, "residual", "[1, 1, 1, 1] or [N, O, H, W]", out_shape, residual.shape);
  float* y = context.output(out_shape);
  if (element_count(out_shape) == 0) return;
  require_channels(kName, "x", x.shape);
  require_channels(kName, "h", h.shape);
  require_channels(kName, "gate_h", gate_h.shape);

  const kernels::GatedPredictedConv conv{
      {x.as<float>(), h.as<float>(), weight.as<float>(), bias.as<float>(), scale.as<float>(),
       shift.as<float>(), nullptr, channels, h.shape[1], height, width, 1},
      mix.as<float>(),
      mix_bias.as<float>(),
      gate_h.as<float>(),
      gate_weight.as<float>(),
      gate_bias.as<float>(),
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
    table.gated_predicted_conv(conv, tiles.image(i), tile,
                               thread_scratch(table.gated_predicted_conv_scratch(conv, tile)));
  });
}

void GatedPredictedConv::infer(const ShapeInference& inference) {
  auto out = inference.input(0);
  const auto mix = inference.input(6);
  if (out.size() == 4) out[1] = mix.size() == 4 ? mix[0] : Dimension{};
  inference.set_output(out);
}

}  // namespace layoutrt::operators
