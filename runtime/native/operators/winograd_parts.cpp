#include "operators/winograd_parts.h"

#include <algorithm>

namespace layoutrt::operators {
namespace {

constexpr int64_t kTileSize = 4;
constexpr int64_t kMinFeatures = 16;
constexpr int64_t kMinTiles = 8;
// More tiles share the transform of the predictor's kernels; fewer keep the transformed features (4 MB with
// 128 features) in the cache.
constexpr int64_t kPartTiles = 192;
constexpr int64_t kBlockTiles = 48;       // whole blocks of the kernels of every instruction set
constexpr int64_t kMinPartChannels = 32;  // these share the transform of the features
constexpr int64_t kParts = 32;            // of a batch: sixteen threads then have two each

int64_t divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t tile_count(const kernels::PredictedConv& conv) {
  return divide(conv.height, kTileSize) * divide(conv.width, kTileSize);
}

}  // namespace

bool winograd_pays(const kernels::PredictedConv& conv) {
  return conv.predictor_size == 3 && conv.features >= kMinFeatures && tile_count(conv) >= kMinTiles;
}

WinogradParts::WinogradParts(const kernels::PredictedConv& conv, int64_t images)
    : images_(images), tiles_(tile_count(conv)), channels_(conv.channels) {
  part_tiles_ = divide(divide(tiles_, divide(tiles_, kPartTiles)), kBlockTiles) * kBlockTiles;
  across_ = divide(tiles_, part_tiles_);
  const int64_t most = std::max<int64_t>(channels_ / kMinPartChannels, 1);
  part_channels_ = divide(channels_, std::clamp<int64_t>(kParts / (images * across_), 1, most));
  deep_ = divide(channels_, part_channels_);
}

kernels::TileRange WinogradParts::range(int64_t part) const {
  kernels::TileRange range;
  range.channel_begin = part % deep_ * part_channels_;
  range.channel_end = std::min(range.channel_begin + part_channels_, channels_);
  range.tile_begin = part / deep_ % across_ * part_tiles_;
  range.tile_end = std::min(range.tile_begin + part_tiles_, tiles_);
  return range;
}

}  // namespace layoutrt::operators
