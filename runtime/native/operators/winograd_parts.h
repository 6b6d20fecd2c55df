// Division into parts of a PredictedConv whose 3x3 predictor Winograd's algorithm computes.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace layoutrt::operators {

// True if Winograd's algorithm is faster: with few features or few tiles its transforms cost more
// than they save. Depends on shapes only.
bool winograd_pays(const kernels::PredictedConv& conv);

// The parts: tiles and channels of one image.
class WinogradParts {
 public:
  WinogradParts(const kernels::PredictedConv& conv, int64_t images);
  int64_t count() const { return images_ * across_ * deep_; }
  int64_t image(int64_t part) const { return part / (across_ * deep_); }
  kernels::TileRange range(int64_t part) const;

 private:
  int64_t images_, tiles_, channels_;
  int64_t part_tiles_, part_channels_;
  int64_t across_, deep_;
};

}  // namespace layoutrt::operators
