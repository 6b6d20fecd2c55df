// The operators in float64, written down as their definitions read.
#pragma once

#include <cstdint>
#include <vector>

#include "operator_host.h"

namespace layoutrt::test {

struct Image {
  int64_t n = 0, c = 0, h = 0, w = 0;
  std::vector<double> values = {};

  Image(int64_t images, int64_t channels, int64_t height, int64_t width);
  explicit Image(const Value& value);  // [N,C,H,W]; [C] as [1,C,1,1]

  double& at(int64_t n, int64_t c, int64_t i, int64_t j) { return values[index(n, c, i, j)]; }
  double at(int64_t n, int64_t c, int64_t i, int64_t j) const { return values[index(n, c, i, j)]; }
  double padded(int64_t n, int64_t c, int64_t i, int64_t j) const;  // 0 outside

 private:
  size_t index(int64_t n, int64_t c, int64_t i, int64_t j) const;
};

// x * scale + shift, one of each for every channel.
Image affine(const Image& x, const Image& scale, const Image& shift);
// y[n,o] = bias[o] + sum over inputs and taps, zeros outside.
Image conv(const Image& x, const Image& weight, const Image& bias);
Image spatially_varying_conv(const Image& x, const Image& w);
Image layout_conv(const Value& labels, const Value& table, const Value& bias, int64_t stride);
// clamp(round_half_even(x / scale) + zero_point, 0, 255) as the value it stands for.
Image quantize(const Image& x, float scale, int64_t zero_point);
// weight[o, ...] * scale[o / rows].
Image dequantize(const Image& weight, const std::vector<float>& scale, int64_t rows);
// residual + leaky_relu(mixed * sigmoid(gate)); the residual may be one number.
Image gate(const Image& mixed, const Image& gate, const Image& residual, double alpha);
// round_half_even(tanh(x) * 127.5 + 127.5), channels last.
Image to_bytes(const Image& x);

}  // namespace layoutrt::test
