#include "reference.h"

#include <algorithm>
#include <cmath>

namespace layoutrt::test {

Image::Image(int64_t images, int64_t channels, int64_t height, int64_t width)
    : n(images), c(channels), h(height), w(width), values(static_cast<size_t>(n * c * h * w)) {}

Image::Image(const Value& value) {
  std::vector<int64_t> dims = value.dims;
  if (dims.size() == 1) dims = {1, dims[0], 1, 1};
  *this = Image(dims[0], dims[1], dims[2], dims[3]);
  for (size_t i = 0; i < values.size(); ++i) {
    switch (value.type) {
      case ort::kInt8: values[i] = value.as<int8_t>()[i]; break;
      case ort::kUint8: values[i] = value.as<uint8_t>()[i]; break;
      default: values[i] = value.as<float>()[i];
    }
  }
}

size_t Image::index(int64_t image, int64_t channel, int64_t i, int64_t j) const {
  return static_cast<size_t>(((image * c + channel) * h + i) * w + j);
}

double Image::padded(int64_t image, int64_t channel, int64_t i, int64_t j) const {
  return i < 0 || i >= h || j < 0 || j >= w ? 0.0 : at(image, channel, i, j);
}

namespace {

// The sum of body(n, c, i, j) at every place of an image.
template <class Body>
Image each(int64_t images, int64_t channels, int64_t height, int64_t width, const Body& body) {
  Image y(images, channels, height, width);
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < width; ++j) y.at(n, c, i, j) = body(n, c, i, j);
      }
    }
  }
  return y;
}

}  // namespace

Image affine(const Image& x, const Image& scale, const Image& shift) {
  return each(x.n, x.c, x.h, x.w, [&](int64_t n, int64_t c, int64_t i, int64_t j) {
    return x.at(n, c, i, j) * scale.at(0, c, 0, 0) + shift.at(0, c, 0, 0);
  });
}

Image conv(const Image& x, const Image& weight, const Image& bias) {
  const int64_t half = weight.h / 2;
  return each(x.n, weight.n, x.h, x.w, [&](int64_t n, int64_t o, int64_t i, int64_t j) {
    double sum = bias.at(0, o, 0, 0);
    for (int64_t c = 0; c < x.c; ++c) {
      for (int64_t u = 0; u < weight.h; ++u) {
        for (int64_t v = 0; v < weight.w; ++v) {
          sum += weight.at(o, c, u, v) * x.padded(n, c, i + u - half, j + v - half);
        }
      }
    }
    return sum;
  });
}

Image spatially_varying_conv(const Image& x, const Image& w) {
  const int64_t taps = w.c / x.c;
  const auto k = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(taps))));
  return each(x.n, x.c, x.h, x.w, [&](int64_t n, int64_t c, int64_t i, int64_t j) {
    double sum = 0.0;
    for (int64_t t = 0; t < taps; ++t) {
      sum += w.at(n, c * taps + t, i, j) * x.padded(n, c, i + t / k - k / 2, j + t % k - k / 2);
    }
    return sum;
  });
}

Image layout_conv(const Value& labels, const Value& table, const Value& bias, int64_t stride) {
  const int64_t height = labels.dims[1];
  const int64_t width = labels.dims[2];
  const int64_t taps = table.dims[1];
  const int64_t channels = table.dims[2];
  const auto k = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(taps))));
  return each(labels.dims[0], channels, (height + stride - 1) / stride, (width + stride - 1) / stride,
              [&](int64_t n, int64_t c, int64_t i, int64_t j) {
                double sum = bias.as<float>()[c];
                for (int64_t t = 0; t < taps; ++t) {
                  const int64_t u = i * stride + t / k - k / 2;
                  const int64_t v = j * stride + t % k - k / 2;
                  if (u < 0 || u >= height || v < 0 || v >= width) continue;
                  const int64_t label = labels.as<uint8_t>()[(n * height + u) * width + v];
                  if (label >= table.dims[0]) continue;
                  sum += table.as<float>()[(label * taps + t) * channels + c];
                }
                return sum;
              });
}

Image quantize(const Image& x, float scale, int64_t zero_point) {
  Image y = x;
  for (double& value : y.values) {
    const double q = std::nearbyint(value / scale) + static_cast<double>(zero_point);
    value = (std::clamp(q, 0.0, 255.0) - static_cast<double>(zero_point)) * scale;
  }
  return y;
}

Image dequantize(const Image& weight, const std::vector<float>& scale, int64_t rows) {
  return each(weight.n, weight.c, weight.h, weight.w, [&](int64_t o, int64_t c, int64_t i, int64_t j) {
    return weight.at(o, c, i, j) * scale[static_cast<size_t>(o / rows)];
  });
}

Image gate(const Image& mixed, const Image& gate, const Image& residual, double alpha) {
  const bool number = residual.values.size() == 1;
  return each(mixed.n, mixed.c, mixed.h, mixed.w, [&](int64_t n, int64_t c, int64_t i, int64_t j) {
    const double value = mixed.at(n, c, i, j) / (1.0 + std::exp(-gate.at(n, c, i, j)));
    return (number ? residual.values[0] : residual.at(n, c, i, j)) + (value > 0.0 ? value : alpha * value);
  });
}

Image to_bytes(const Image& x) {
  return each(x.n, x.h, x.w, x.c, [&](int64_t n, int64_t i, int64_t j, int64_t c) {
    return std::nearbyint(std::tanh(x.at(n, c, i, j)) * 127.5 + 127.5);
  });
}

}  // namespace layoutrt::test
