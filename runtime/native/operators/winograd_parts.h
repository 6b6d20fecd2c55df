// How a PredictedConv with a 3x3 predictor is cut into parts where Winograd's algorithm computes it.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace layoutrt::operators {

// Whether Winograd's algorithm is the faster one: with few features or few tiles its transforms cost more
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
