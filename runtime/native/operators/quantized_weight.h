// Weights and attributes of the quantized operators, checked and brought into the order that kernels read.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "operators/kernel_context.h"

namespace layoutrt::operators {

// value = (q - zero_point) * scale, with q in 0..255.
struct Quantization {
  float scale;
  int zero_point;
};

// Attributes <name>_scale and <name>_zero_point. Throws Error if they are missing or out of range.
Quantization read_quantization(const KernelInfo& info, const char* op, const std::string& name);

// The attribute, one positive number for each channel. Throws Error.
std::vector<float> read_scales(const KernelInfo& info, const char* op, const char* name);

// Throws Error if there is not one scale for each of `count` channels.
void require_scales(const char* op, const char* name, const std::vector<float>& scales, int64_t count);

// Throws Error if a sum of so many products, called `products`, may not fit into an int32.
void require_exact_sums(const char* op, const char* input, const char* products, int64_t count,
                        const Shape& shape);

// int8 weights [blocks * rows, features, inner] as words [blocks, ceil(features / values), inner, rows],
// zeros after the last feature: the weights of `rows` outputs that meet one word of features lie side by
// side.
std::vector<int32_t> pack_words(const int8_t* weight, int64_t blocks, int64_t rows, int64_t features,
                                int64_t inner, const kernels::DotFormat& format);

// Start values that make the sums of words sums over q - zero_point: one for each output.
std::vector<int32_t> dot_offsets(const int8_t* weight, int64_t outputs, int64_t products, int zero_point,
                                 const kernels::DotFormat& format);

}  // namespace layoutrt::operators
