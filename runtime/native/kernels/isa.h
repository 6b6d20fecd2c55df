// The kernels of one instruction set, declared in its namespace: included once per set.
#ifndef LRT_ISA
#error "define LRT_ISA before including isa.h"
#endif

namespace layoutrt::kernels::LRT_ISA {

size_t spatially_varying_conv_scratch(const SpatiallyVaryingConv& conv);
void spatially_varying_conv(const SpatiallyVaryingConv& conv, int64_t plane, int64_t row_begin,
                            int64_t row_end, float* scratch);
size_t layout_conv_scratch(const LayoutConv& conv);
void layout_conv(const LayoutConv& conv, int64_t image, int64_t pixel_begin, int64_t pixel_end,
                 float* scratch);
void layout_conv_uniform_sums(const LayoutConv& conv, float* sums);
size_t predicted_conv_3x3_scratch(const PredictedConv& conv, const Tile& tile);
void predicted_conv_3x3(const PredictedConv& conv, int64_t image, const Tile& tile, float* scratch);
DotFormat dot_format();
size_t quantized_predicted_conv_1x1_scratch(const QuantizedPredictedConv& conv, const PixelTile& tile);
void quantized_predicted_conv_1x1(const QuantizedPredictedConv& conv, int64_t image, const PixelTile& tile,
                                  float* scratch);
size_t quantized_predicted_conv_3x3_scratch(const QuantizedPredictedConv& conv, const Tile& tile);
void quantized_predicted_conv_3x3(const QuantizedPredictedConv& conv, int64_t image, const Tile& tile,
                                  float* scratch);
size_t quantized_gated_predicted_conv_scratch(const QuantizedGatedPredictedConv& conv, const PixelTile& tile);
void quantized_gated_predicted_conv(const QuantizedGatedPredictedConv& conv, int64_t image,
                                    const PixelTile& tile, float* scratch);
size_t spatially_varying_conv_gradient_scratch(const SpatiallyVaryingConvGradient& conv);
void spatially_varying_conv_gradient(const SpatiallyVaryingConvGradient& conv, int64_t plane,
                                     int64_t row_begin, int64_t row_end, float* scratch);
void layout_conv_gradient(const LayoutConvGradient& conv, int64_t image, int64_t channel_begin,
                          int64_t row_begin, int64_t row_end, float* sums);
size_t predicted_conv_gradient_scratch(const PredictedConvGradient& conv, int64_t rows);
void predicted_conv_gradient(const PredictedConvGradient& conv, int64_t image, int64_t row_begin,
                             int64_t row_end, int64_t part, float* scratch);
size_t predicted_conv_1x1_scratch(const PredictedConv& conv, const PixelTile& tile);
void predicted_conv_1x1(const PredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch);
size_t predicted_conv_winograd_scratch(const PredictedConv& conv, const TileRange& range);
void predicted_conv_winograd(const PredictedConv& conv, int64_t image, const TileRange& range,
                             float* scratch);
size_t gated_predicted_conv_scratch(const GatedPredictedConv& conv, const PixelTile& tile);
void gated_predicted_conv(const GatedPredictedConv& conv, int64_t image, const PixelTile& tile,
                          float* scratch);
size_t conv_to_image_scratch(const ConvToImage& conv, const Tile& tile);
void conv_to_image(const ConvToImage& conv, int64_t image, const Tile& tile, float* scratch);

}  // namespace layoutrt::kernels::LRT_ISA
