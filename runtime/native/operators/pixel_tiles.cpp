#include "operators/pixel_tiles.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kBlock = 48;               // pixels: whole blocks of every instruction set
constexpr int64_t kStripFloats = 96 * 1024;  // of x: well within the second-level cache of a current core
constexpr int64_t kParts = 32;               // of a batch, at least: sixteen threads then have two each

int64_t divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

PixelTiles::PixelTiles(int64_t images, int64_t channels, int64_t height, int64_t width, bool split_channels)
    : images_(images), pixels_(height * width), channels_(channels) {
  const int64_t halo = 2 * (width + 1);
  // Channels share the work of loading a block; so few of them that the strips of one block fit.
  tile_channels_ = channels;
  if (split_channels) tile_channels_ = std::clamp<int64_t>(kStripFloats / (kBlock + halo), 1, channels);
  const int64_t fitting = (kStripFloats / tile_channels_ - halo) / kBlock;
  const int64_t shared = images * pixels_ / (kParts * kBlock);
  tile_pixels_ = std::max<int64_t>(std::min(fitting, shared), 1) * kBlock;
  across_ = divide(pixels_, tile_pixels_);
  if (split_channels) {
    const int64_t wanted = std::clamp<int64_t>(kParts / (images * across_), 1, tile_channels_);
    tile_channels_ = std::min(tile_channels_, divide(channels, wanted));
  }
  deep_ = divide(channels, tile_channels_);
}

kernels::PixelTile PixelTiles::tile(int64_t part) const {
  kernels::PixelTile tile;
  tile.channel_begin = part % deep_ * tile_channels_;
  tile.channel_end = std::min(tile.channel_begin + tile_channels_, channels_);
  tile.pixel_begin = part / deep_ % across_ * tile_pixels_;
  tile.pixel_end = std::min(tile.pixel_begin + tile_pixels_, pixels_);
  return tile;
}

}  // namespace layoutrt::operators
