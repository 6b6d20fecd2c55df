#include "kernels/predict_block.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

// y points to the image.
template <int V>
void run_block(const PredictedConv& conv, const PixelTile& tile, PredictBlocks& blocks, float* y) {
  const int64_t plane_size = conv.height * conv.width;
  for (int64_t c = tile.channel_begin; c < tile.channel_end; ++c) {
    prefetch_pixels<1>(y + c * plane_size, blocks.first() + kBlockPixels, plane_size);
    Vector sum[V];
    blocks.run(c, sum);
    store_pixels<V>(y + c * plane_size + blocks.first(), sum, blocks.count());
  }
}

}  // namespace

size_t predicted_conv_1x1_scratch(const PredictedConv& conv, const PixelTile& tile) {
  return static_cast<size_t>(PredictBlocks::scratch_floats(conv, tile)) * sizeof(float);
}

void predicted_conv_1x1(const PredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch) {
  PredictBlocks blocks(conv, image, tile, scratch);
  float* y = conv.y + image * conv.channels * conv.height * conv.width;
  while (!blocks.done()) {
    blocks.enter();
    if (blocks.count() > 2 * kLanes) {
      run_block<3>(conv, tile, blocks, y);
    } else if (blocks.count() > kLanes) {
      run_block<2>(conv, tile, blocks, y);
    } else {
      run_block<1>(conv, tile, blocks, y);
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
