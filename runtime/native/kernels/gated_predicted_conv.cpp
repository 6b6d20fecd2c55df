// GatedPredictedConv: half of a block of the generator, on blocks of pixels that stay in the first-level
// cache.
//
//   d = PredictedConv(x, h)                             as in predict_block.h, kept for all channels of the
//   block y = residual + leaky_relu((mix * d + mix_bias) * sigmoid(gate_weight * gate_h + gate_bias))
//
// The two products are computed for a few output channels at a time, first that of the gate.

#include "kernels/gate.h"
#include "kernels/predict_block.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

struct Scratch {
  float* d;       // [channels, kBlockPixels]
  float* gate_h;  // [gate_features, kBlockPixels], where it is not h
  float* gate;    // [kProductRows, kBlockPixels]
  float* blocks;  // of PredictBlocks
};

PixelTile with_channels(const GatedPredictedConv& conv, const PixelTile& tile) {
  return {tile.pixel_begin, tile.pixel_end, 0, conv.predicted.channels};
}

bool shares_features(const GatedPredictedConv& conv) {
  return conv.gate_h == conv.predicted.h && conv.gate_features == conv.predicted.features;
}

size_t lay_out(const GatedPredictedConv& conv, const PixelTile& tile, float* memory, Scratch* scratch) {
  int64_t used = 0;
  const auto take = [&](int64_t count) {
    float* here = memory + used;
    used += count;
    return here;
  };
  scratch->d = take(conv.predicted.channels * kBlockPixels);
  scratch->gate_h = take(shares_features(conv) ? 0 : conv.gate_features * kBlockPixels);
  scratch->gate = take(kProductRows * kBlockPixels);
  scratch->blocks = take(PredictBlocks::scratch_floats(conv.predicted, tile));
  return static_cast<size_t>(used) * sizeof(float);
}

void prefetch_rows(const GatedPredictedConv& conv, int64_t image, int64_t row, int64_t first) {
  const int64_t plane_size = conv.predicted.height * conv.predicted.width;
  for (int64_t r = row; r < smaller(row + kProductRows, conv.out_channels); ++r) {
    const int64_t plane = (image * conv.out_channels + r) * plane_size;
    if (!conv.residual_is_number) prefetch_pixels<0>(conv.residual + plane, first, plane_size);
    prefetch_pixels<1>(conv.y + plane, first, plane_size);
  }
}

// The block of `count` pixels at `first`: R output channels from `row` on.
template <int R, int V>
LRT_INLINE void run_rows(const GatedPredictedConv& conv, const Scratch& scratch, const float* gate_block,
                         int64_t image, int64_t row, int64_t first, int64_t count) {
  const int64_t plane_size = conv.predicted.height * conv.predicted.width;
  prefetch_rows(conv, image, row + R, first);
  Vector acc[R][V];
  start_product(acc, conv.gate_bias + row, 1);
  add_product(acc, conv.gate_weight + row * conv.gate_features, conv.gate_features, gate_block,
              conv.gate_features);
#pragma GCC unroll 9
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) store(scratch.gate + r * kBlockPixels + v * kLanes, sigmoid(acc[r][v]));
  }
  start_product(acc, conv.mix_bias + row, 1);
  add_product(acc, conv.mix + row * conv.predicted.channels, conv.predicted.channels, scratch.d,
              conv.predicted.channels);
#pragma GCC unroll 9
  for (int r = 0; r < R; ++r) {
    const int64_t at = (image * conv.out_channels + row + r) * plane_size + first;
    Vector value[V];
    if (conv.residual_is_number) {
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) value[v] = broadcast(*conv.residual);
    } else {
      load_pixels(conv.residual + at, value, count);
    }
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) {
      const Vector gate = load(scratch.gate + r * kBlockPixels + v * kLanes);
      value[v] += leaky_relu(acc[r][v] * gate, conv.alpha);
    }
    store_pixels(conv.y + at, value, count);
  }
}

template <int V>
void run_block(const GatedPredictedConv& conv, PredictBlocks& blocks, const Scratch& scratch, int64_t image) {
  const int64_t plane_size = conv.predicted.height * conv.predicted.width;
  const int64_t first = blocks.first();
  const int64_t count = blocks.count();
  for (int64_t c = 0; c < conv.predicted.channels; ++c) {
    Vector sum[V];
    blocks.run(c, sum);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) store(scratch.d + c * kBlockPixels + v * kLanes, sum[v]);
  }
  prefetch_rows(conv, image, 0, first);
  const float* gate_block = blocks.features();
  if (!shares_features(conv)) {
    load_block(conv.gate_h + image * conv.gate_features * plane_size + first, plane_size, conv.gate_features,
               count, scratch.gate_h);
    gate_block = scratch.gate_h;
  }
  int64_t row = 0;
  for (; row + kProductRows <= conv.out_channels; row += kProductRows) {
    run_rows<kProductRows, V>(conv, scratch, gate_block, image, row, first, count);
  }
  for (; row < conv.out_channels; ++row) run_rows<1, V>(conv, scratch, gate_block, image, row, first, count);
}

}  // namespace

size_t gated_predicted_conv_scratch(const GatedPredictedConv& conv, const PixelTile& tile) {
  Scratch scratch;
  return lay_out(conv, with_channels(conv, tile), nullptr, &scratch);
}

void gated_predicted_conv(const GatedPredictedConv& conv, int64_t image, const PixelTile& pixels,
                          float* memory) {
  const PixelTile tile = with_channels(conv, pixels);
  Scratch scratch;
  lay_out(conv, tile, memory, &scratch);
  PredictBlocks blocks(conv.predicted, image, tile, scratch.blocks);
  while (!blocks.done()) {
    blocks.enter();
    if (blocks.count() > 2 * kLanes) {
      run_block<3>(conv, blocks, scratch, image);
    } else if (blocks.count() > kLanes) {
      run_block<2>(conv, blocks, scratch, image);
    } else {
      run_block<1>(conv, blocks, scratch, image);
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
