// Division of operators that work on blocks of pixels into parts, for inference and for training.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/kernels.h"

namespace layoutrt::operators {

// The parts: ranges of pixels, and of channels where these can be computed apart, of one image.
class PixelTiles {
 public:
  PixelTiles(int64_t images, int64_t channels, int64_t height, int64_t width, bool split_channels);
  int64_t count() const { return images_ * across_ * deep_; }
  int64_t image(int64_t part) const { return part / (across_ * deep_); }
  kernels::PixelTile tile(int64_t part) const;

 private:
  int64_t images_, pixels_, channels_;
  int64_t tile_pixels_, tile_channels_;
  int64_t across_, deep_;
};

}  // namespace layoutrt::operators
