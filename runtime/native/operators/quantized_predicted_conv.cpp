#include "operators/quantized_predicted_conv.h"

#include "kernels/kernels.h"
#include "operators/affine.h"
#include "operators/pixel_tiles.h"
#include "operators/predicted_conv_plan.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kTaps = 9;

void run_1x1(const kernels::QuantizedPredictedConv& conv, int64_t images, const KernelContext& context) {
  const auto& table = kernels::kernel_table();
  const PixelTiles tiles(images, conv.channels, conv.height, conv.width, true);
  context.parallel_for(tiles.count(), [&](int64_t i) {
    const kernels::PixelTile tile = tiles.tile(i);
    table.quantized_predicted_conv_1x1(
        conv, tiles.image(i), tile, thread_scratch(table.quantized_predicted_conv_1x1_scratch(conv, tile)));
  });
}

void run_3x3(const kernels::QuantizedPredictedConv& conv, int64_t images, const KernelContext& context) {
  const auto& table = kernels::kernel_table();
  // The tiles of a PredictedConv whose strip has a float where this one has a word.
  const int values = table.dot_format().values;
  kernels::PredictedConv sizes{};
  sizes.channels = conv.channels;
  sizes.features = (conv.features + values - 1) / values;
  sizes.height = conv.height;
  sizes.width = conv.width;
  sizes.predictor_size = 3;
  const PredictedConvTiles tiles(sizes, images);
  context.parallel_for(tiles.count(), [&](int64_t i) {
    const kernels::Tile tile = tiles.tile(i);
    table.quantized_predicted_conv_3x3(
        conv, tiles.image(i), tile, thread_scratch(table.quantized_predicted_conv_3x3_scratch(conv, tile)));
  });
}

}  // namespace

QuantizedPredictedConv::QuantizedPredictedConv(const KernelInfo& info) : predictor_(info, kName, true) {
  Tensor weight;
  Tensor bias;
  if (info.constant_input(2, &weight) && info.constant_input(3, &bias)) {
    constant_ = predictor_.prepare(weight, bias);
  }
}

void QuantizedPredictedConv::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor h = context.input(1);
  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  const int64_t images = x.shape[0];
  const int64_t channels = x.shape[1];
  require_shape(kName, "h", "[N, J, H, W]", {images, -1, x.shape[2], x.shape[3]}, h.shape);

  QuantizedPredictor::Weights made;
  if (constant_.shape.empty()) made = predictor_.prepare(context.input(2), context.input(3));
  const QuantizedPredictor::Weights& weights = constant_.shape.empty() ? made : constant_;
  const int64_t p = weights.shape[2];
  require_shape(kName, "weight", "[C*k*k, J, p, p]", {channels * kTaps, h.shape[1], p, p}, weights.shape);
  const Affine affine = read_affine(context, kName, 4, channels);
  float* y = context.output(x.shape);
  if (element_count(x.shape) == 0) return;
  require_channels(kName, "h", h.shape);

  auto conv = predictor_.describe(x, h, weights, affine.scale, affine.shift);
  conv.y = y;
  if (p == 1) return run_1x1(conv, images, context);
  run_3x3(conv, images, context);
}

}  // namespace layoutrt::operators
