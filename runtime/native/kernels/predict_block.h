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

// sum[v] = PredictedConv with p = 1 of one channel. weight [9, features] and bias [9] are the channel's;
// block holds the features; x is the block's first pixel in the channel's strip.
template <int V>
LRT_INLINE void predict_and_apply(const float* weight, const float* bias, const float* block,
                                  int64_t features, const float* x, int64_t width, const ColumnMasks& masks,
                                  Vector (&sum)[V]) {
  x -= width + 1;
  Vector side[V];
  if constexpr (kManyRegisters) {
    Vector acc[9][V];
    start_product(acc, bias, 1);
    add_product(acc, weight, features, block, features);
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
      start_product(acc, bias + column, 3);
      add_product(acc, weight + column * features, 3 * features, block, features);
      apply_column<V, 1>(acc, 0, x + column, width, side);
      const Bits* mask = column == 0 ? masks.left : masks.right;
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[v] += column == 1 ? side[v] : masked(side[v], mask[v]);
    }
  }
}

// The blocks of one tile, entered one after the other from the first.
//
// What the next block needs is loaded while the channels of this one are computed, a share with each, and
// fetched one channel earlier. Loaded at once it would cost a quarter of the time where images exceed the
// caches; fetched a block earlier, planes whose size is a multiple of 4096 bytes would drive each other out.
class PredictBlocks {
 public:
  static int64_t scratch_floats(const PredictedConv& conv, const PixelTile& tile) {
    const PixelStrip strip(conv.width, tile.pixel_end - tile.pixel_begin);
    return 2 * conv.features * kBlockPixels + (tile.channel_end - tile.channel_begin) * strip.size;
  }

  PredictBlocks(const PredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch)
      : conv_(conv),
        tile_(tile),
        channels_(tile.channel_end - tile.channel_begin),
        plane_size_(conv.height * conv.width),
        strip_(conv.width, tile.pixel_end - tile.pixel_begin),
        x_(conv.x + (image * conv.channels + tile.channel_begin) * plane_size_),
        h_(conv.h + image * conv.features * plane_size_),
        features_(scratch + conv.features * kBlockPixels),
        next_features_(scratch),
        strips_(scratch + 2 * conv.features * kBlockPixels) {
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
    float* entered = next_features_;
    next_features_ = features_;
    features_ = entered;
    mask_columns(first_, conv_.width, &masks_);
  }

  int64_t first() const { return first_; }
  int64_t count() const { return smaller(kBlockPixels, tile_.pixel_end - first_); }
  bool done() const { return next_ >= tile_.pixel_end; }

  // The block's features, [features, kBlockPixels].
  const float* features() const { return features_; }

  // The result for a channel of the tile. Every channel must run, in order, before the next block.
  template <int V>
  __attribute__((always_inline)) void run(int64_t channel, Vector (&sum)[V]) {
    const int64_t i = channel - tile_.channel_begin;
    prefetch_share(i);
    if (!done()) load_share(i);
    predict_and_apply<V>(
        conv_.weight + channel * 9 * conv_.features, conv_.bias + channel * 9, features_, conv_.features,
        strips_ + i * strip_.size + strip_.lead + (first_ - tile_.pixel_begin), strip_.width, masks_, sum);
  }

 private:
  int64_t share_begin(int64_t i) const { return i * conv_.features / channels_; }

  // Of the next block: features share_begin(i) up to share_begin(i + 1), and x of the i-th channel.
  void load_share(int64_t i) {
    const int64_t j = share_begin(i);
    load_block(h_ + j * plane_size_ + next_, plane_size_, share_begin(i + 1) - j,
               smaller(kBlockPixels, tile_.pixel_end - next_), next_features_ + j * kBlockPixels);
    const int64_t channel = tile_.channel_begin + i;
    fill_strip(x_ + i * plane_size_, plane_size_, tile_.pixel_begin - strip_.lead + filled_,
               needed_ - filled_, conv_.scale == nullptr ? nullptr : conv_.scale + channel,
               conv_.scale == nullptr ? nullptr : conv_.shift + channel, strips_ + i * strip_.size + filled_);
  }

  void prefetch_share(int64_t i) const {
    prefetch_pixels<0>(x_ + i * plane_size_, tile_.pixel_begin - strip_.lead + needed_, plane_size_);
    for (int64_t j = share_begin(i); j < share_begin(i + 1); ++j) {
      prefetch_pixels<0>(h_ + j * plane_size_, next_ + kBlockPixels, plane_size_);
    }
  }

  const PredictedConv& conv_;
  const PixelTile& tile_;
  const int64_t channels_;
  const int64_t plane_size_;
  const PixelStrip strip_;
  const float* x_;  // of the image and the tile's first channel
  const float* h_;  // of the image
  float* features_;
  float* next_features_;
  float* strips_;
  ColumnMasks masks_;
  int64_t first_ = 0;   // pixel of the block
  int64_t next_;        // pixel of the next block
  int64_t filled_ = 0;  // of the strips, for the block
  int64_t needed_;      // of the strips, for the next block
};

}  // namespace layoutrt::kernels::LRT_ISA
