#include "operators/predicted_conv.h"

#include "error.h"
#include "operators/affine.h"
#include "operators/predicted_conv_plan.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kTaps = 9;

// Refuses what the kernels do not compute.
void check_weight(const Shape& shape) {
  require_shape(PredictedConv::kName, "weight", "[C*k*k, J, p, p]", {-1, -1, -1, -1}, shape);
  if (shape[0] % kTaps != 0 || shape[3] != shape[2] || (shape[2] != 1 && shape[2] != 3)) {
    throw Error(
        LRT_INVALID_ARGUMENT,
        "PredictedConv: weight must be [C*k*k, J, p, p] with k = 3 and p = 1 or 3, got " + to_string(shape));
  }
}

}  // namespace

PredictedConv::PredictedConv(const KernelInfo& info) {
  Tensor weight;
  if (info.constant_input(2, &weight)) check_weight(weight.shape);
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

  const Tensor weight = context.input(2);
  check_weight(weight.shape);
  require_shape(kName, "weight", "[C*k*k, J, p, p]",
                {channels * kTaps, h.shape[1], weight.shape[2], weight.shape[3]}, weight.shape);
  const Tensor bias = context.input(3);
  require_shape(kName, "bias", "[C*k*k]", {channels * kTaps}, bias.shape);
  const Affine affine = read_affine(context, kName, 4, channels);
  float* y = context.output(x.shape);
  if (element_count(x.shape) == 0) return;
  require_channels(kName, "h", h.shape);

  const kernels::PredictedConv conv{x.as<float>(),
                                    h.as<float>(),
                                    weight.as<float>(),
                                    bias.as<float>(),
                                    affine.scale,
                                    affine.shift,
                                    y,
                                    channels,
                                    h.shape[1],
                                    height,
                                    width,
                                    static_cast<int>(weight.shape[2])};
  run_predicted_conv(conv, images,
                     [&](int64_t count, const auto& body) { context.parallel_for(count, body); });
}

}  // namespace layoutrt::operators
