// Reader of a block of features for a predictor of 8-bit integers: one row for each word.
#pragma once

#include "kernels/integer_dot.h"
#include "kernels/predict_block.h"
#include "kernels/quantize.h"

namespace layoutrt::kernels::LRT_ISA {

// acc[r][v] = start[r * start_step] + sum_g weight[g * stride + r * step] . block[g][v], for g < groups.
template <int R, int V>
LRT_INLINE void word_product(IntVector (&acc)[R][V], const int32_t* start, int64_t start_step,
                             const int32_t* weight, int64_t stride, int64_t step, const int32_t* block,
                             int64_t groups) {
#pragma GCC unroll 9
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[r][v] = broadcast_word(start[r * start_step]);
  }
  for (int64_t g = 0; g < groups; ++g, weight += stride, block += kBlockPixels) {
    IntVector value[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) value[v] = load_words(block + v * kLanes);
#pragma GCC unroll 9
    for (int r = 0; r < R; ++r) {
      const IntVector w = broadcast_word(weight[r * step]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) acc[r][v] = dot(acc[r][v], value[v], w);
    }
  }
}

// Rows [begin, end) of a block of words, of `features` planes; h is the block's first pixel.
inline void load_word_block(const Quantizer& quantizer, const float* h, int64_t plane_size, int64_t features,
                            int64_t begin, int64_t end, int64_t count, int32_t* block) {
  for (int64_t g = begin; g < end; ++g) {
    const int64_t first = g * kDotValues;
    quantize_run(quantizer, h + first * plane_size, plane_size, features - first, count,
                 block + g * kBlockPixels);
  }
}

struct QuantizedPredictor {
  using Conv = QuantizedPredictedConv;
  using Value = int32_t;
  static constexpr int kFeaturesOfRow = kDotValues;

  explicit QuantizedPredictor(const Conv& conv)
      : quantizer(make_quantizer(conv.h_scale, conv.h_zero_point)) {}

  void load(const Conv& conv, const float* h, int64_t begin, int64_t end, int64_t count, Value* block) const {
    load_word_block(quantizer, h, conv.height * conv.width, conv.features, begin, end, count, block);
  }

  // In units of the channel's step.
  template <int R, int V>
  static LRT_METHOD void predict(const Conv& conv, int64_t channel, int first, const Value* block,
                                 Vector (&acc)[R][V]) {
    constexpr int kStep = 9 / R;
    const int64_t groups = (conv.features + kDotValues - 1) / kDotValues;
    IntVector sums[R][V];
    word_product(sums, conv.offset + channel * 9 + first, kStep, conv.weight + channel * groups * 9 + first,
                 9, kStep, block, groups);
#pragma GCC unroll 9
    for (int r = 0; r < R; ++r) {
      const Vector bias = broadcast(conv.bias[channel * 9 + first + r * kStep]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) acc[r][v] = to_float(sums[r][v]) + bias;
    }
  }

  template <int V>
  static LRT_METHOD void scale(const Conv& conv, int64_t channel, Vector (&sum)[V]) {
    const Vector step = broadcast(conv.step[channel]);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] *= step;
  }

  const Quantizer quantizer;
};

}  // namespace layoutrt::kernels::LRT_ISA
