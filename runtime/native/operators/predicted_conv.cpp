#include "operators/predicted_conv.h"

#include "error.h"
#include "kernels/kernels.h"
#include "operators/affine.h"
#include "operators/predicted_conv_plan.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kTaps = 9;

// Refuses what the kernels do not compute.
std::vector<float> pack(const Tensor& weight) {
  require_shape(PredictedConv::kName, "weight", "[C*k*k, J, p, p]", {-1, -1, -1, -1}, weight.shape);
  const int64_t p = weight.shape[2];
  if (weight.shape[0] % kTaps != 0 || weight.shape[3] != p || (p != 1 && p != 3)) {
    throw Error(LRT_INVALID_ARGUMENT,
                "PredictedConv: weight must be [C*k*k, J, p, p] with k = 3 and p = 1 or 3, got " +
                    to_string(weight.shape));
  }
  return pack_predictor(weight.as<float>(), weight.shape[0] / kTaps, weight.shape[1] * p * p);
}

}  // namespace

PredictedConv::PredictedConv(const KernelInfo& info) {
  Tensor weight;
  if (!info.constant_input(2, &weight)) return;
  packed_ = pack(weight);
  weight_shape_ = weight.shape;
}

void PredictedConv::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor h = context.input(1);
  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  const int64_t images = x.shape[0];
  const int64_t channels = x.shape[1];
  const int64_t height = x.shape[2];
  const int64_t width = x.shape[3];
  require_shape(kName, "h", "[N, J, H, W]", {images, -1, height, width}, h.shape);

  std::vector<float> packed_now;
  Shape weight_shape = weight_shape_;
  if (weight_shape.empty()) {
    const Tensor weight = context.input(2);
    packed_now = pack(weight);
    weight_shape = weight.shape;
  }
  require_shape(kName, "weight", "[C*k*k, J, p, p]",
                {channels * kTaps, h.shape[1], weight_shape[2], weight_shape[3]}, weight_shape);
  const Tensor bias = context.input(3);
  require_shape(kName, "bias", "[C*k*k]", {channels * kTaps}, bias.shape);
  const Affine affine = read_affine(context, kName, 4, channels);
  float* y = context.output(x.shape);
  if (element_count(x.shape) == 0) return;

  const float* packed = weight_shape_.empty() ? packed_now.data() : packed_.data();
  const kernels::PredictedConv conv{x.as<float>(), h.as<float>(), packed, bias.as<float>(),
                                    affine.scale,  affine.shift,  y,      channels,
                                    h.shape[1],    height,        width,  static_cast<int>(weight_shape[2])};
  const PredictedConvTiles tiles(conv, images);
  const auto& table = kernels::kernel_table();
  context.parallel_for(tiles.count(), [&](int64_t i) {
    const kernels::Tile tile = tiles.tile(i);
    table.predicted_conv(conv, tiles.image(i), tile,
                         thread_scratch(table.predicted_conv_scratch(conv, tile)));
  });
}

}  // namespace layoutrt::operators
