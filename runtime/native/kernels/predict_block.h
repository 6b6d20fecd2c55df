// PredictedConv with p = 1 on blocks of pixels: the nine kernel weights of a block, predicted from its
// features in registers and applied at once.
//
// Blocks are the outer loop, so that the features of a block are loaded once and stay in the first-level
// cache while the channels pass over them. The weights stream from the second level in the order of the ONNX
// file, 36 bytes for every 27 vector operations.
#pragma once

#include "kernels/pixel_block.h"

namespace layoutrt::kernels::LRT_ISA {

// value[v] = sum over the column's three taps of acc * x; x points to pixel 0 in the row above, one to the
// left.
template <int V, int Stride, int R>
LRT_INLINE void apply_column(const Vector (&acc)[R][V], int first, const float* x, int64_t width,
                             Vector (&value)[V]) {
#pragma GCC unroll 3
  for (int v = 0; v < V; ++v) {
    value[v] = acc[first][v] * load(x + v * kLanes);
    value[v] += acc[first + Stride][v] * load(x + width + v * kLanes);
    value[v] += acc[first + 2 * Stride][v] * load(x + 2 * width + v * kLanes);
  }
}

// Reader of a block of features for a predictor of float32: one row for each.
struct FloatPredictor {
  using Conv = PredictedConv;
  using Value = float;
  static constexpr int kFeaturesOfRow = 1;

  explicit FloatPredictor(const Conv&) {}

  // Rows [begin, end) of a block; h is the block's first pixel.
  void load(const Conv& conv, const float* h, int64_t begin, int64_t end, int64_t count, Value* block) const {
    const int64_t plane_size = conv.height * conv.width;
    load_block(h + begin * plane_size, plane_size, end - begin, count, block + begin * kBlockPixels);
  }

  // acc[r][v] = predicted weights of the taps first + r * (9 / R), in units of the channel's step.
  template <int R, int V>
  static LRT_METHOD void predict(const Conv& conv, int64_t channel, int first, const Value* block,
                                 Vector (&acc)[R][V]) {
    constexpr int kStep = 9 / R;
    start_product(acc, conv.bias + channel * 9 + first, kStep);
    add_product(acc, conv.weight + (channel * 9 + first) * conv.features, kStep * conv.features, block,
                conv.features);
  }

  // From units of the channel's step to numbers.
  template <int V>
  static LRT_METHOD void scale(const Conv&, int64_t, Vector (&)[V]) {}
};

// sum[v] = PredictedConv with p = 1 of one channel. block holds the features; x is the block's first pixel in
// the channel's strip.
template <class Predictor, int V>
LRT_INLINE void predict_and_apply(const typename Predictor::Conv& conv, int64_t channel,
                                  const typename Predictor::Value* block, const float* x,
                                  const ColumnMasks& masks, Vector (&sum)[V]) {
  const int64_t width = conv.width;
  x -= width + 1;
  Vector side[V];
  if constexpr (kManyRegisters) {
    Vector acc[9][V];
    Predictor::predict(conv, channel, 0, block, acc);
    apply_column<V, 3>(acc, 1, x + 1, width, sum);
    apply_column<V, 3>(acc, 0, x, width, side);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] += masked(side[v], masks.left[v]);
    apply_column<V, 3>(acc, 2, x + 2, width, side);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] += masked(side[v], masks.right[v]);
  } else {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[v] = Vector{};
#pragma GCC unroll 1
    for (int column = 0; column < 3; ++column) {
      Vector acc[3][V];
      Predictor::predict(conv, channel, column, block, acc);
      apply_column<V, 1>(acc, 0, x + column, width, side);
      const Bits* mask = column == 0 ? masks.left : masks.right;
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[v] += column == 1 ? side[v] : masked(side[v], mask[v]);
    }
  }
  Predictor::scale(conv, channel, sum);
}

// The blocks of one tile, entered one after the other from the first.
//
// The inputs of the next block are loaded while the channels of this one are computed, a share with each, and
// fetched one channel earlier. Loaded at once it would cost a quarter of the time where images exceed the
// caches; fetched a block earlier, planes whose size is a multiple of 4096 bytes would drive each other out.
template <class Predictor>
class PredictBlocks {
 public:
  using Conv = typename Predictor::Conv;
  using Value = typename Predictor::Value;
  static_assert(sizeof(Value) == sizeof(float), "blocks of features lie in a scratch of floats");

  static int64_t scratch_floats(const Conv& conv, const PixelTile& tile) {
    const PixelStrip strip(conv.width, tile.pixel_end - tile.pixel_begin);
    return 2 * feature_rows(conv) * kBlockPixels + (tile.channel_end - tile.channel_begin) * strip.size;
  }

  PredictBlocks(const Conv& conv, int64_t image, const PixelTile& tile, float* scratch)
      : conv_(conv),
        predictor_(conv),
        tile_(tile),
        channels_(tile.channel_end - tile.channel_begin),
        plane_size_(conv.height * conv.width),
        strip_(conv.width, tile.pixel_end - tile.pixel_begin),
        x_(conv.x + (image * conv.channels + tile.channel_begin) * plane_size_),
        h_(conv.h + image * conv.features * plane_size_),
        features_(reinterpret_cast<Value*>(scratch) + feature_rows(conv) * kBlockPixels),
        next_features_(reinterpret_cast<Value*>(scratch)),
        strips_(scratch + 2 * feature_rows(conv) * kBlockPixels) {
    next_ = tile.pixel_begin;
    needed_ = strip_.needed(0);
    for (int64_t i = 0; i < channels_; ++i) load_share(i);
  }

  // Goes on to the next block: there must be one.
  void enter() {
    first_ = next_;
    filled_ = needed_;
    next_ = first_ + kBlockPixels;
    needed_ = strip_.needed(next_ - tile_.pixel_begin);
    Value* entered = next_features_;
    next_features_ = features_;
    features_ = entered;
    mask_columns(first_, conv_.width, &masks_);
  }

  int64_t first() const { return first_; }
  int64_t count() const { return smaller(kBlockPixels, tile_.pixel_end - first_); }
  bool done() const { return next_ >= tile_.pixel_end; }

  // The block's features, as the predictor reads them: [rows, kBlockPixels].
  const Value* features() const { return features_; }

  // The result for a channel of the tile. Every channel must run, in order, before the next block.
  template <int V>
  LRT_METHOD void run(int64_t channel, Vector (&sum)[V]) {
    const int64_t i = channel - tile_.channel_begin;
    prefetch_share(i);
    if (!done()) load_share(i);
    predict_and_apply<Predictor>(conv_, channel, features_,
                                 strips_ + i * strip_.size + strip_.lead + (first_ - tile_.pixel_begin),
                                 masks_, sum);
  }

 private:
  static int64_t feature_rows(const Conv& conv) {
    return (conv.features + Predictor::kFeaturesOfRow - 1) / Predictor::kFeaturesOfRow;
  }
  int64_t share_begin(int64_t i) const { return i * feature_rows(conv_) / channels_; }

  // Load a share of the next block: rows share_begin(i) up to share_begin(i + 1) of the features, and x of
  // the i-th channel.
  void load_share(int64_t i) {
    predictor_.load(conv_, h_ + next_, share_begin(i), share_begin(i + 1),
                    smaller(kBlockPixels, tile_.pixel_end - next_), next_features_);
    const int64_t channel = tile_.channel_begin + i;
    fill_strip(x_ + i * plane_size_, plane_size_, tile_.pixel_begin - strip_.lead + filled_,
               needed_ - filled_, conv_.scale == nullptr ? nullptr : conv_.scale + channel,
               conv_.scale == nullptr ? nullptr : conv_.shift + channel, strips_ + i * strip_.size + filled_);
  }

  // Inlined, like all that only prefetch: GCC takes a function without results for one without effect, and
  // drops its calls.
  LRT_METHOD void prefetch_share(int64_t i) const {
    prefetch_pixels<0>(x_ + i * plane_size_, tile_.pixel_begin - strip_.lead + needed_, plane_size_);
    const int64_t end = smaller(share_begin(i + 1) * Predictor::kFeaturesOfRow, conv_.features);
    for (int64_t j = share_begin(i) * Predictor::kFeaturesOfRow; j < end; ++j) {
      prefetch_pixels<0>(h_ + j * plane_size_, next_ + kBlockPixels, plane_size_);
    }
  }

  const Conv& conv_;
  const Predictor predictor_;
  const PixelTile& tile_;
  const int64_t channels_;
  const int64_t plane_size_;
  const PixelStrip strip_;
  const float* x_;  // of the image and the tile's first channel
  const float* h_;  // of the image
  Value* features_;
  Value* next_features_;
  float* strips_;
  ColumnMasks masks_;
  int64_t first_ = 0;   // pixel of the block
  int64_t next_;        // pixel of the next block
  int64_t filled_ = 0;  // of the strips, for the block
  int64_t needed_;      // of the strips, for the next block
};

template <int V, class Predictor>
void predict_block(const typename Predictor::Conv& conv, const PixelTile& tile,
                   PredictBlocks<Predictor>& blocks, float* y) {
  const int64_t plane_size = conv.height * conv.width;
  for (int64_t c = tile.channel_begin; c < tile.channel_end; ++c) {
    prefetch_pixels<1>(y + c * plane_size, blocks.first() + kBlockPixels, plane_size);
    Vector sum[V];
    blocks.run(c, sum);
    store_pixels<V>(y + c * plane_size + blocks.first(), sum, blocks.count());
  }
}

// One tile of a PredictedConv with p = 1.
template <class Predictor>
void predict_tile(const typename Predictor::Conv& conv, int64_t image, const PixelTile& tile,
                  float* scratch) {
  PredictBlocks<Predictor> blocks(conv, image, tile, scratch);
  float* y = conv.y + image * conv.channels * conv.height * conv.width;
  while (!blocks.done()) {
    blocks.enter();
    if (blocks.count() > 2 * kLanes) {
      predict_block<3>(conv, tile, blocks, y);
    } else if (blocks.count() > kLanes) {
      predict_block<2>(conv, tile, blocks, y);
    } else {
      predict_block<1>(conv, tile, blocks, y);
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
