// Preparation of a PredictedConv and its division into parts, for inference and for training.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "operators/kernel_context.h"
#include "operators/pixel_tiles.h"
#include "operators/winograd_parts.h"

namespace layoutrt::operators {

// Weight [channels * 9, inner] as [channels, inner, 9]: the nine weights that meet one value of h side by
// side, as the gradient takes them.
std::vector<float> pack_predictor(const float* weight, int64_t channels, int64_t inner);

// Run it on `images` images. parallel_for(count, body) calls body(i) for every i in [0, count), on any
// thread.
template <class ParallelFor>
void run_predicted_conv(const kernels::PredictedConv& conv, int64_t images, const ParallelFor& parallel_for);

// The parts for p = 3 without Winograd's algorithm: tiles of rows, columns and channels of one image.
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

template <class ParallelFor>
void run_predicted_conv(const kernels::PredictedConv& conv, int64_t images, const ParallelFor& parallel_for) {
  const auto& table = kernels::kernel_table();
  if (conv.predictor_size == 1) {
    const PixelTiles tiles(images, conv.channels, conv.height, conv.width, true);
    return parallel_for(tiles.count(), [&](int64_t i) {
      const kernels::PixelTile tile = tiles.tile(i);
      table.predicted_conv_1x1(conv, tiles.image(i), tile,
                               thread_scratch(table.predicted_conv_1x1_scratch(conv, tile)));
    });
  }
  if (winograd_pays(conv)) {
    const WinogradParts parts(conv, images);
    return parallel_for(parts.count(), [&](int64_t i) {
      const kernels::TileRange range = parts.range(i);
      table.predicted_conv_winograd(conv, parts.image(i), range,
                                    thread_scratch(table.predicted_conv_winograd_scratch(conv, range)));
    });
  }
  const PredictedConvTiles tiles(conv, images);
  parallel_for(tiles.count(), [&](int64_t i) {
    const kernels::Tile tile = tiles.tile(i);
    table.predicted_conv_3x3(conv, tiles.image(i), tile,
                             thread_scratch(table.predicted_conv_3x3_scratch(conv, tile)));
  });
}

}  // namespace layoutrt::operators
