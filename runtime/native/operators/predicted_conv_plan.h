// How a PredictedConv is prepared and cut into parts, for inference and for training.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace layoutrt::operators {

// Weight [channels * 9, inner] as [channels, inner, 9]: the nine weights that meet one value of h side by
// side.
std::vector<float> pack_predictor(const float* weight, int64_t channels, int64_t inner);

// The parts: tiles of rows, columns and channels of one image.
class PredictedConvTiles {
 public:
  PredictedConvTiles(const kernels::PredictedConv& conv, int64_t images);
  int64_t count() const { return images_ * down_ * across_ * deep_; }
  int64_t image(int64_t part) const { return part / (deep_ * across_ * down_); }
  kernels::Tile tile(int64_t part) const;

 private:
  int64_t images_, height_, width_, channels_;
  int64_t tile_rows_, tile_columns_, tile_channels_;
  int64_t down_, across_, deep_;
};

}  // namespace layoutrt::operators
