// Every kernel that an instruction set has, once: LRT_KERNEL(result, name, (parameters)), in the order of
// KernelTable. Whoever includes this file says before what LRT_KERNEL makes of an entry; it is undefined
// after.
#ifndef LRT_KERNEL
#error "define LRT_KERNEL before including kernel_list.h"
#endif

// Rows [row_begin, row_end) of one plane. The scratch size does not depend on the rows.
LRT_KERNEL(size_t, spatially_varying_conv_scratch, (const SpatiallyVaryingConv& conv))
LRT_KERNEL(void, spatially_varying_conv,
           (const SpatiallyVaryingConv& conv, int64_t plane, int64_t row_begin, int64_t row_end,
            float* scratch))

// Output pixels [pixel_begin, pixel_end) of one image, in row-major order; at most kLayoutConvPixels.
LRT_KERNEL(size_t, layout_conv_scratch, (const LayoutConv& conv))
LRT_KERNEL(void, layout_conv,
           (const LayoutConv& conv, int64_t image, int64_t pixel_begin, int64_t pixel_end, float* scratch))
// sums[l, c] = what layout_conv gives where the whole window has label l, added up in the same order.
LRT_KERNEL(void, layout_conv_uniform_sums, (const LayoutConv& conv, float* sums))

// One tile of one image, p = 3.
LRT_KERNEL(size_t, predicted_conv_3x3_scratch, (const PredictedConv& conv, const Tile& tile))
LRT_KERNEL(void, predicted_conv_3x3,
           (const PredictedConv& conv, int64_t image, const Tile& tile, float* scratch))

LRT_KERNEL(DotFormat, dot_format, ())
// One tile of one image, p = 1.
LRT_KERNEL(size_t, quantized_predicted_conv_1x1_scratch,
           (const QuantizedPredictedConv& conv, const PixelTile& tile))
LRT_KERNEL(void, quantized_predicted_conv_1x1,
           (const QuantizedPredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch))
// One tile of one image, p = 3.
LRT_KERNEL(size_t, quantized_predicted_conv_3x3_scratch,
           (const QuantizedPredictedConv& conv, const Tile& tile))
LRT_KERNEL(void, quantized_predicted_conv_3x3,
           (const QuantizedPredictedConv& conv, int64_t image, const Tile& tile, float* scratch))
// All channels of a range of pixels of one image.
LRT_KERNEL(size_t, quantized_gated_predicted_conv_scratch,
           (const QuantizedGatedPredictedConv& conv, const PixelTile& tile))
LRT_KERNEL(void, quantized_gated_predicted_conv,
           (const QuantizedGatedPredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch))

// Rows [row_begin, row_end) of one plane.
LRT_KERNEL(size_t, spatially_varying_conv_gradient_scratch, (const SpatiallyVaryingConvGradient& conv))
LRT_KERNEL(void, spatially_varying_conv_gradient,
           (const SpatiallyVaryingConvGradient& conv, int64_t plane, int64_t row_begin, int64_t row_end,
            float* scratch))

// Adds output rows [row_begin, row_end) of one image to sums [(label_count + 1) * k*k + 1,
// kLayoutConvGradientChannels], for as many channels from channel_begin on; its last row is for the bias.
LRT_KERNEL(void, layout_conv_gradient,
           (const LayoutConvGradient& conv, int64_t image, int64_t channel_begin, int64_t row_begin,
            int64_t row_end, float* sums))

// Rows [row_begin, row_end) of one image, which are part number `part`.
LRT_KERNEL(size_t, predicted_conv_gradient_scratch, (const PredictedConvGradient& conv, int64_t rows))
LRT_KERNEL(void, predicted_conv_gradient,
           (const PredictedConvGradient& conv, int64_t image, int64_t row_begin, int64_t row_end,
            int64_t part, float* scratch))

// One tile of one image, p = 1.
LRT_KERNEL(size_t, predicted_conv_1x1_scratch, (const PredictedConv& conv, const PixelTile& tile))
LRT_KERNEL(void, predicted_conv_1x1,
           (const PredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch))

// Tiles of one image, p = 3.
LRT_KERNEL(size_t, predicted_conv_winograd_scratch, (const PredictedConv& conv, const TileRange& range))
LRT_KERNEL(void, predicted_conv_winograd,
           (const PredictedConv& conv, int64_t image, const TileRange& range, float* scratch))

// All channels of a range of pixels of one image.
LRT_KERNEL(size_t, gated_predicted_conv_scratch, (const GatedPredictedConv& conv, const PixelTile& tile))
LRT_KERNEL(void, gated_predicted_conv,
           (const GatedPredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch))

// Rows and columns of one image.
LRT_KERNEL(size_t, conv_to_image_scratch, (const ConvToImage& conv, const Tile& tile))
LRT_KERNEL(void, conv_to_image, (const ConvToImage& conv, int64_t image, const Tile& tile, float* scratch))

#undef LRT_KERNEL
