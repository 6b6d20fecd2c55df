#include "kernels/predict_block.h"

namespace layoutrt::kernels::LRT_ISA {

size_t predicted_conv_1x1_scratch(const PredictedConv& conv, const PixelTile& tile) {
  return static_cast<size_t>(PredictBlocks<FloatPredictor>::scratch_floats(conv, tile)) * sizeof(float);
}

void predicted_conv_1x1(const PredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch) {
  predict_tile<FloatPredictor>(conv, image, tile, scratch);
}

}  // namespace layoutrt::kernels::LRT_ISA
