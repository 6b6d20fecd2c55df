// Arguments of the kernels, and the table through which the kernels of one instruction set are called.
//
// Kernels know nothing of threads or of ONNX Runtime. Each computes one part of one output (a range of rows
// or pixels of one plane or image); the parts may run in any order and on any thread, and never change the
// result.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace layoutrt::kernels {

// y[c,i,j] = sum_t w[c*k*k+t,i,j] * xh[c, i+t/k-k/2, j+t%k-k/2]; xh = scale*x+shift inside the image, else 0.
// A plane is one channel of one image. scale and shift are both null or both given.
struct SpatiallyVaryingConv {
  const float* x;      // [planes, height, width]
  const float* w;      // [planes, k*k, height, width]
  const float* scale;  // [channels]
  const float* shift;  // [channels]
  float* y;            // [planes, height, width]
  int64_t channels;
  int64_t height;
  int64_t width;
  int kernel_size;
};

// Conv(OneHot(labels)): y[c,i,j] = bias[c] + sum_t table[label at tap t of (i,j), t, c].
// The table has one row more than there are labels, all zeros, for pixels outside the image and unknown
// labels, and its channels are padded with zeros to a multiple of kChannelPadding.
struct LayoutConv {
  const uint8_t* labels;      // [images, height, width]
  const float* table;         // [label_count + 1, k*k, padded_channels]
  const float* bias;          // [padded_channels]
  const float* uniform_sums;  // [label_count + 1, padded_channels] from layout_conv_uniform_sums, or null
  float* y;                   // [images, channels, out_height, out_width]
  int64_t channels;
  int64_t padded_channels;
  int64_t height;
  int64_t width;
  int64_t out_height;
  int64_t out_width;
  int label_count;
  int kernel_size;
  int stride;
};
constexpr int64_t kChannelPadding = 64;

// SpatiallyVaryingConv(x, Conv(h, weight, bias)) with k = 3, the predicted kernels kept in registers.
struct PredictedConv {
  const float* x;       // [images, channels, height, width]
  const float* h;       // [images, features, height, width]
  const float* weight;  // [channels, 9, features, p, p]
  const float* bias;    // [channels, 9]
  const float* scale;   // [channels] or null
  const float* shift;   // [channels] or null
  float* y;             // [images, channels, height, width]
  int64_t channels;
  int64_t features;
  int64_t height;
  int64_t width;
  int predictor_size;  // p: 1 or 3
};

// PredictedConv of quantized features: with q = clamp(round_half_even(h / h_scale) + h_zero_point, 0, 255)
// the predicted weights are step[c] * (offset + q . weight + bias). Features and weights meet in words, as
// many at a time as the instruction set multiplies.
struct QuantizedPredictedConv {
  const float* x;         // [images, channels, height, width]
  const float* h;         // [images, features, height, width]
  const int32_t* weight;  // words: [channels, ceil(features / DotFormat::values), p * p, 9]
  const int32_t* offset;  // [channels, 9]: (DotFormat::origin - h_zero_point) * sum of the weights
  const float* bias;      // [channels, 9], in steps
  const float* step;      // [channels]: h_scale * the scale of the channel's weights
  const float* scale;     // [channels] or null
  const float* shift;     // [channels] or null
  float* y;               // [images, channels, height, width]
  int64_t channels;
  int64_t features;
  int64_t height;
  int64_t width;
  int predictor_size;  // p: 1 or 3; features * p * p <= kQuantizedSumLimit
  float h_scale;
  int h_zero_point;
};
constexpr int64_t kQuantizedSumLimit = 32768;  // products of bytes that an int32 has room for

// Layout of quantized values for an instruction set: `values` of them in 32 bits, the first lowest, features
// less the origin.
struct DotFormat {
  int values;
  int origin;
};

// Gradients of SpatiallyVaryingConv; k = 1, 3, 5 or 7. A row of grad_x gathers from the rows of w and grad
// around it, so that rows can be computed apart.
struct SpatiallyVaryingConvGradient {
  const float* grad;   // of y: [planes, height, width]
  const float* x;      // [planes, height, width]
  const float* w;      // [planes, k*k, height, width]
  const float* scale;  // [channels] or null
  const float* shift;  // [channels] or null
  float* grad_x;       // [planes, height, width]
  float* grad_w;       // [planes, k*k, height, width]
  double* sums;        // [planes, height, 2]: each row's share of the gradients of scale and shift, or null
  int64_t channels;
  int64_t height;
  int64_t width;
  int kernel_size;
};

// Gradients of LayoutConv: for every label and tap, the sum of grad over the pixels that have the label under
// the tap.
struct LayoutConvGradient {
  const uint8_t* labels;  // [images, height, width]
  const float* grad;      // of y: [images, channels, out_height, out_width]
  int64_t channels;
  int64_t height;
  int64_t width;
  int64_t out_height;
  int64_t out_width;
  int label_count;
  int kernel_size;
  int stride;
};
constexpr int64_t kLayoutConvGradientChannels = 16;  // summed up at a time

// Gradients of PredictedConv with k = 3 and p = 1; the predicted kernels and their gradients are never stored
// for more than a few pixels. A part is a range of rows of one image and adds up its own gradients of the
// predictor, so that a caller can add the parts in a fixed order.
struct PredictedConvGradient {
  const float* grad;    // of y: [images, channels, height, width]
  const float* x;       // [images, channels, height, width]
  const float* h;       // [images, features, height, width]
  const float* weight;  // packed: [channels, features, 9]
  const float* bias;    // [channels, 9]
  const float* scale;   // [channels] or null
  const float* shift;   // [channels] or null
  float* grad_x;        // [images, channels, height, width]
  float* grad_h;        // [images, features, height, width]
  float* grad_weight;   // [parts, channels, 9, features]
  float* grad_bias;     // [parts, channels, 9]
  double* sums;         // [parts, channels, 2]: shares of the gradients of scale and shift, or null
  int64_t channels;
  int64_t features;
  int64_t height;
  int64_t width;
};

// A part of one image: output rows and columns, and output channels.
struct Tile {
  int64_t row_begin, row_end;
  int64_t column_begin, column_end;
  int64_t channel_begin, channel_end;
};

// A part of one image without columns of its own: pixels in row-major order, and output channels.
struct PixelTile {
  int64_t pixel_begin, pixel_end;
  int64_t channel_begin, channel_end;
};

// A part of one image: tiles of 4x4 pixels, numbered row by row, and output channels.
struct TileRange {
  int64_t tile_begin, tile_end;
  int64_t channel_begin, channel_end;
};

// residual + leaky_relu((mix * d + mix_bias) * sigmoid(gate_weight * gate_h + gate_bias), alpha) with d from
// PredictedConv, p = 1.
struct GatedPredictedConv {
  PredictedConv predicted;   // its y is not written
  const float* mix;          // [out_channels, channels]
  const float* mix_bias;     // [out_channels]
  const float* gate_h;       // [images, gate_features, height, width]; may be the same memory as h
  const float* gate_weight;  // [out_channels, gate_features]
  const float* gate_bias;    // [out_channels]
  const float* residual;     // [images, out_channels, height, width], or one number
  float* y;                  // [images, out_channels, height, width]
  int64_t out_channels;
  int64_t gate_features;
  bool residual_is_number;
  float alpha;
};

// A 1x1 convolution of quantized values: step[o] * (offset[o] + q . weight) + bias[o].
struct QuantizedProduct {
  const int32_t* weight;  // words: [outputs, ceil(inputs / DotFormat::values)]
  const int32_t* offset;  // [outputs], as in QuantizedPredictedConv
  const float* step;      // [outputs]
  const float* bias;      // [outputs]
  float in_scale;         // quantization of its input
  int in_zero_point;
};

// GatedPredictedConv of quantized h, d and gate_h.
struct QuantizedGatedPredictedConv {
  QuantizedPredictedConv predicted;  // p = 1; its y is not written
  QuantizedProduct mix;              // [channels] to [out_channels]
  QuantizedProduct gate;             // [gate_features] to [out_channels]
  const float* gate_h;               // [images, gate_features, height, width]; may be the same memory as h
  const float* residual;             // [images, out_channels, height, width], or one number
  float* y;                          // [images, out_channels, height, width]
  int64_t out_channels;
  int64_t gate_features;
  bool residual_is_number;
  float alpha;
};

// image = round_half_even(tanh(Conv(x and y)) * 127.5 + 127.5) with k = 3 and three outputs, one byte each;
// the channels of y follow those of x.
struct ConvToImage {
  const float* x;       // [images, x_channels, height, width]
  const float* y;       // [images, y_channels, height, width]; null if there are none
  const float* weight;  // [x_channels + y_channels, 3 columns, 3 rows, 3 outputs]
  const float* bias;    // [3]
  uint8_t* image;       // [images, height, width, 3]
  int64_t x_channels;
  int64_t y_channels;
  int64_t height;
  int64_t width;
};
constexpr int64_t kConvToImageRows = 6;  // a tile of as many rows, or a multiple, wastes no arithmetic

struct KernelTable {
  const char* name;

#define LRT_KERNEL(result, name, parameters) result(*name) parameters;
#include "kernels/kernel_list.h"
};
constexpr int64_t kLayoutConvPixels = 512;

// The kernels for this machine, chosen once: the widest instruction set it has, or the one that the
// environment variable LAYOUTRT_ISA names (baseline, avx2, avx512, avx512vnni or dotprod, or as lrt_simd()
// says it). Throws Error: it names another.
const KernelTable& kernel_table();

}  // namespace layoutrt::kernels
