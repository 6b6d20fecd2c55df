#include "kernels/quantized_predictor.h"

namespace layoutrt::kernels::LRT_ISA {

size_t quantized_predicted_conv_1x1_scratch(const QuantizedPredictedConv& conv, const PixelTile& tile) {
  return static_cast<size_t>(PredictBlocks<QuantizedPredictor>::scratch_floats(conv, tile)) * sizeof(float);
}

void quantized_predicted_conv_1x1(const QuantizedPredictedConv& conv, int64_t image, const PixelTile& tile,
                                  float* scratch) {
  predict_tile<QuantizedPredictor>(conv, image, tile, scratch);
}

}  // namespace layoutrt::kernels::LRT_ISA
