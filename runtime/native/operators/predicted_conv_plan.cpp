#include "operators/predicted_conv_plan.h"

#include <algorithm>

namespace layoutrt::operators {
namespace {

constexpr int64_t kTaps = 9;
constexpr int64_t kStripBytes = 512 * 1024;  // of h: half of the second-level cache of a current core
constexpr int64_t kMinRows = 4;              // below, copying the rows of halo shows
constexpr int64_t kMaxColumns = 512;
constexpr int64_t kParts = 32;  // of a batch, at least: sixteen threads then have two each

int64_t divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

std::vector<float> pack_predictor(const float* weight, int64_t channels, int64_t inner) {
  std::vector<float> packed(static_cast<size_t>(channels * kTaps * inner));
  for (int64_t row = 0; row < channels * kTaps; ++row) {
    float* to = packed.data() + row / kTaps * inner * kTaps + row % kTaps;
    for (int64_t i = 0; i < inner; ++i) to[i * kTaps] = weight[row * inner + i];
  }
  return packed;
}

PredictedConvTiles::PredictedConvTiles(const kernels::PredictedConv& conv, int64_t images)
    : images_(images), height_(conv.height), width_(conv.width), channels_(conv.channels) {
  const int64_t strip_pixels = kStripBytes / static_cast<int64_t>(sizeof(float)) / conv.features;
  const int64_t widest = std::clamp<int64_t>(strip_pixels / (kMinRows + 2), 64, kMaxColumns);
  tile_columns_ = divide(width_, divide(width_, widest));
  across_ = divide(width_, tile_columns_);
  const int64_t fitting = std::max(strip_pixels / (tile_columns_ + 2) - 2, kMinRows);
  const int64_t shared = std::max(divide(images * across_ * height_, kParts), kMinRows);
  tile_rows_ = std::min({fitting, shared, height_});
  down_ = divide(height_, tile_rows_);
  const int64_t parts = images * across_ * down_;
  tile_channels_ = divide(channels_, std::clamp<int64_t>(kParts / parts, 1, channels_));
  deep_ = divide(channels_, tile_channels_);
}

kernels::Tile PredictedConvTiles::tile(int64_t part) const {
  kernels::Tile tile;
  tile.channel_begin = part % deep_ * tile_channels_;
  tile.channel_end = std::min(tile.channel_begin + tile_channels_, channels_);
  part /= deep_;
  tile.column_begin = part % across_ * tile_columns_;
  tile.column_end = std::min(tile.column_begin + tile_columns_, width_);
  part = part / across_ % down_;
  tile.row_begin = part * tile_rows_;
  tile.row_end = std::min(tile.row_begin + tile_rows_, height_);
  return tile;
}

}  // namespace layoutrt::operators
