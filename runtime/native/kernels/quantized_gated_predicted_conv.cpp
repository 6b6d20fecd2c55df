// QuantizedGatedPredictedConv: all products of 8-bit integers.

#include "kernels/gated_block.h"
#include "kernels/quantized_predictor.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

int64_t words_of(int64_t features) { return (features + kDotValues - 1) / kDotValues; }

struct WordProducts {
  using Conv = QuantizedGatedPredictedConv;
  using Predictor = QuantizedPredictor;
  using Value = int32_t;
  static constexpr int kStageRows = kDotValues;

  explicit WordProducts(const Conv& conv)
      : mix_quantizer(make_quantizer(conv.mix.in_scale, conv.mix.in_zero_point)),
        gate_quantizer(make_quantizer(conv.gate.in_scale, conv.gate.in_zero_point)) {}

  static int64_t mixed_rows(const Conv& conv) { return words_of(conv.predicted.channels); }
  static int64_t gate_rows(const Conv& conv) { return words_of(conv.gate_features); }
  static bool shares_features(const Conv& conv) {
    return conv.gate_h == conv.predicted.h && conv.gate_features == conv.predicted.features &&
           conv.gate.in_scale == conv.predicted.h_scale &&
           conv.gate.in_zero_point == conv.predicted.h_zero_point;
  }

  // Channels become words when there is one of them.
  template <int V>
  LRT_METHOD void keep(const Conv& conv, int64_t channel, const Vector (&sum)[V], float* stage,
                       int32_t* d) const {
    const int64_t part = channel % kDotValues;
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) store(stage + part * kBlockPixels + v * kLanes, sum[v]);
    if (part + 1 < kDotValues && channel + 1 < conv.predicted.channels) return;
    quantize_run(mix_quantizer, stage, kBlockPixels, part + 1, V * kLanes,
                 d + channel / kDotValues * kBlockPixels);
  }

  void load_gate(const Conv& conv, const float* gate_h, int64_t count, int32_t* block) const {
    load_word_block(gate_quantizer, gate_h, conv.predicted.height * conv.predicted.width, conv.gate_features,
                    0, gate_rows(conv), count, block);
  }

  template <int R, int V>
  static LRT_METHOD void gate(const Conv& conv, int64_t row, const int32_t* block, Vector (&acc)[R][V]) {
    multiply(conv.gate, row, block, gate_rows(conv), acc);
  }

  template <int R, int V>
  static LRT_METHOD void mix(const Conv& conv, int64_t row, const int32_t* d, Vector (&acc)[R][V]) {
    multiply(conv.mix, row, d, mixed_rows(conv), acc);
  }

  template <int R, int V>
  static LRT_METHOD void multiply(const QuantizedProduct& product, int64_t row, const int32_t* block,
                                  int64_t groups, Vector (&acc)[R][V]) {
    IntVector sums[R][V];
    word_product(sums, product.offset + row, 1, product.weight + row * groups, 1, groups, block, groups);
#pragma GCC unroll 9
    for (int r = 0; r < R; ++r) {
      const Vector step = broadcast(product.step[row + r]);
      const Vector bias = broadcast(product.bias[row + r]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) acc[r][v] = to_float(sums[r][v]) * step + bias;
    }
  }

  const Quantizer mix_quantizer;
  const Quantizer gate_quantizer;
};

}  // namespace

size_t quantized_gated_predicted_conv_scratch(const QuantizedGatedPredictedConv& conv,
                                              const PixelTile& tile) {
  return GatedTile<WordProducts>::scratch_bytes(conv, tile);
}

void quantized_gated_predicted_conv(const QuantizedGatedPredictedConv& conv, int64_t image,
                                    const PixelTile& tile, float* scratch) {
  GatedTile<WordProducts>(conv, image, tile, scratch).run();
}

}  // namespace layoutrt::kernels::LRT_ISA
