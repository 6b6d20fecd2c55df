// Half of a block of the generator, on blocks of pixels that stay in the first-level cache.
//
//   d = PredictedConv(x, h), as in predict_block.h, kept for all channels of the block
//   y = residual + leaky_relu((mix * d + mix_bias) * sigmoid(gate_weight * gate_h + gate_bias))
//
// The two products are computed for a few output channels at a time, first that of the gate. A Kind says in
// what numbers they are.
#pragma once

#include "kernels/gate.h"
#include "kernels/predict_block.h"

namespace layoutrt::kernels::LRT_ISA {

template <class Kind>
class GatedTile {
 public:
  using Conv = typename Kind::Conv;
  using Value = typename Kind::Value;
  static_assert(sizeof(Value) == sizeof(float), "blocks of values lie in a scratch of floats");

  static size_t scratch_bytes(const Conv& conv, const PixelTile& pixels) {
    Scratch scratch;
    return lay_out(conv, with_channels(conv, pixels), nullptr, &scratch);
  }

  GatedTile(const Conv& conv, int64_t image, const PixelTile& pixels, float* memory)
      : conv_(conv),
        kind_(conv),
        tile_(with_channels(conv, pixels)),
        image_(image),
        plane_size_(conv.predicted.height * conv.predicted.width) {
    lay_out(conv, tile_, memory, &scratch_);
  }

  void run() {
    PredictBlocks<typename Kind::Predictor> blocks(conv_.predicted, image_, tile_, scratch_.blocks);
    while (!blocks.done()) {
      blocks.enter();
      if (blocks.count() > 2 * kLanes) {
        run_block<3>(blocks);
      } else if (blocks.count() > kLanes) {
        run_block<2>(blocks);
      } else {
        run_block<1>(blocks);
      }
    }
  }

 private:
  struct Scratch {
    Value* d;       // [Kind::mixed_rows, kBlockPixels]
    Value* gate_h;  // [Kind::gate_rows, kBlockPixels], where it is not h
    float* stage;   // [Kind::kStageRows, kBlockPixels]
    float* gate;    // [kProductRows, kBlockPixels]
    float* blocks;  // of PredictBlocks
  };

  static PixelTile with_channels(const Conv& conv, const PixelTile& pixels) {
    return {pixels.pixel_begin, pixels.pixel_end, 0, conv.predicted.channels};
  }

  static size_t lay_out(const Conv& conv, const PixelTile& tile, float* memory, Scratch* scratch) {
    int64_t used = 0;
    const auto take = [&](int64_t count) {
      float* here = memory + used;
      used += count;
      return here;
    };
    scratch->d = reinterpret_cast<Value*>(take(Kind::mixed_rows(conv) * kBlockPixels));
    scratch->gate_h = reinterpret_cast<Value*>(
        take(Kind::shares_features(conv) ? 0 : Kind::gate_rows(conv) * kBlockPixels));
    scratch->stage = take(Kind::kStageRows * kBlockPixels);
    scratch->gate = take(kProductRows * kBlockPixels);
    scratch->blocks = take(PredictBlocks<typename Kind::Predictor>::scratch_floats(conv.predicted, tile));
    return static_cast<size_t>(used) * sizeof(float);
  }

  // A channel's share of what the block at `first` reads and writes last. All of it at once would have to
  // wait for memory.
  LRT_METHOD void prefetch_rows(int64_t channel, int64_t first) const {
    const int64_t end = (channel + 1) * conv_.out_channels / conv_.predicted.channels;
    for (int64_t r = channel * conv_.out_channels / conv_.predicted.channels; r < end; ++r) {
      const int64_t plane = (image_ * conv_.out_channels + r) * plane_size_;
      if (!conv_.residual_is_number) prefetch_pixels<0>(conv_.residual + plane, first, plane_size_);
      prefetch_pixels<1>(conv_.y + plane, first, plane_size_);
    }
  }

  // The block of `count` pixels at `first`: R output channels from `row` on.
  template <int R, int V>
  LRT_METHOD void run_rows(const Value* gate_block, int64_t row, int64_t first, int64_t count) const {
    Vector acc[R][V];
    Kind::gate(conv_, row, gate_block, acc);
#pragma GCC unroll 9
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) store(scratch_.gate + r * kBlockPixels + v * kLanes, sigmoid(acc[r][v]));
    }
    Kind::mix(conv_, row, scratch_.d, acc);
#pragma GCC unroll 9
    for (int r = 0; r < R; ++r) {
      const int64_t at = (image_ * conv_.out_channels + row + r) * plane_size_ + first;
      Vector value[V];
      if (conv_.residual_is_number) {
#pragma GCC unroll 3
        for (int v = 0; v < V; ++v) value[v] = broadcast(*conv_.residual);
      } else {
        load_pixels(conv_.residual + at, value, count);
      }
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) {
        const Vector gate = load(scratch_.gate + r * kBlockPixels + v * kLanes);
        value[v] += leaky_relu(acc[r][v] * gate, conv_.alpha);
      }
      store_pixels(conv_.y + at, value, count);
    }
  }

  template <int V>
  void run_block(PredictBlocks<typename Kind::Predictor>& blocks) const {
    const int64_t first = blocks.first();
    const int64_t count = blocks.count();
    for (int64_t c = 0; c < conv_.predicted.channels; ++c) {
      Vector sum[V];
      prefetch_rows(c, first);
      blocks.run(c, sum);
      kind_.keep(conv_, c, sum, scratch_.stage, scratch_.d);
    }
    const Value* gate_block = blocks.features();
    if (!Kind::shares_features(conv_)) {
      kind_.load_gate(conv_, conv_.gate_h + image_ * conv_.gate_features * plane_size_ + first, count,
                      scratch_.gate_h);
      gate_block = scratch_.gate_h;
    }
    int64_t row = 0;
    for (; row + kProductRows <= conv_.out_channels; row += kProductRows) {
      run_rows<kProductRows, V>(gate_block, row, first, count);
    }
    for (; row < conv_.out_channels; ++row) run_rows<1, V>(gate_block, row, first, count);
  }

  const Conv& conv_;
  const Kind kind_;
  const PixelTile tile_;
  const int64_t image_;
  const int64_t plane_size_;
  Scratch scratch_;
};

}  // namespace layoutrt::kernels::LRT_ISA
