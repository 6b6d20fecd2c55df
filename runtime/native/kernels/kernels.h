// What a kernel is given, and the table through which the kernels of one instruction set are called.
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
  const float* weight;  // packed: [channels, features * p * p, 9]
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

// A part of one image: output rows and columns, and output channels.
struct Tile {
  int64_t row_begin, row_end;
  int64_t column_begin, column_end;
  int64_t channel_begin, channel_end;
};

struct KernelTable {
  const char* name;

  // Rows [row_begin, row_end) of one plane. The scratch size does not depend on the rows.
  size_t (*spatially_varying_conv_scratch)(const SpatiallyVaryingConv&);
  void (*spatially_varying_conv)(const SpatiallyVaryingConv&, int64_t plane, int64_t row_begin,
                                 int64_t row_end, float* scratch);

  // Output pixels [pixel_begin, pixel_end) of one image, in row-major order; at most kLayoutConvPixels.
  size_t (*layout_conv_scratch)(const LayoutConv&);
  void (*layout_conv)(const LayoutConv&, int64_t image, int64_t pixel_begin, int64_t pixel_end,
                      float* scratch);
  // sums[l, c] = what layout_conv gives where the whole window has label l, added up in the same order.
  void (*layout_conv_uniform_sums)(const LayoutConv&, float* sums);

  // One tile of one image.
  size_t (*predicted_conv_scratch)(const PredictedConv&, const Tile&);
  void (*predicted_conv)(const PredictedConv&, int64_t image, const Tile&, float* scratch);
};
constexpr int64_t kLayoutConvPixels = 512;

// The kernels for this machine, chosen once: the widest instruction set it has, or the one that the
// environment variable LAYOUTRT_ISA names (baseline, avx2 or avx512), as far as the machine has it.
const KernelTable& kernel_table();

}  // namespace layoutrt::kernels
