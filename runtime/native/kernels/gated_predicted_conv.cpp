// GatedPredictedConv: all products in float32.

#include "kernels/gated_block.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

struct FloatProducts {
  using Conv = GatedPredictedConv;
  using Predictor = FloatPredictor;
  using Value = float;
  static constexpr int kStageRows = 0;

  explicit FloatProducts(const Conv&) {}

  static int64_t mixed_rows(const Conv& conv) { return conv.predicted.channels; }
  static int64_t gate_rows(const Conv& conv) { return conv.gate_features; }
  static bool shares_features(const Conv& conv) {
    return conv.gate_h == conv.predicted.h && conv.gate_features == conv.predicted.features;
  }

  template <int V>
  LRT_METHOD void keep(const Conv&, int64_t channel, const Vector (&sum)[V], float*, float* d) const {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) store(d + channel * kBlockPixels + v * kLanes, sum[v]);
  }

  void load_gate(const Conv& conv, const float* gate_h, int64_t count, float* block) const {
    load_block(gate_h, conv.predicted.height * conv.predicted.width, conv.gate_features, count, block);
  }

  template <int R, int V>
  static LRT_METHOD void gate(const Conv& conv, int64_t row, const float* block, Vector (&acc)[R][V]) {
    start_product(acc, conv.gate_bias + row, 1);
    add_product(acc, conv.gate_weight + row * conv.gate_features, conv.gate_features, block,
                conv.gate_features);
  }

  template <int R, int V>
  static LRT_METHOD void mix(const Conv& conv, int64_t row, const float* d, Vector (&acc)[R][V]) {
    start_product(acc, conv.mix_bias + row, 1);
    add_product(acc, conv.mix + row * conv.predicted.channels, conv.predicted.channels, d,
                conv.predicted.channels);
  }
};

}  // namespace

size_t gated_predicted_conv_scratch(const GatedPredictedConv& conv, const PixelTile& tile) {
  return GatedTile<FloatProducts>::scratch_bytes(conv, tile);
}

void gated_predicted_conv(const GatedPredictedConv& conv, int64_t image, const PixelTile& tile,
                          float* scratch) {
  GatedTile<FloatProducts>(conv, image, tile, scratch).run();
}

}  // namespace layoutrt::kernels::LRT_ISA
