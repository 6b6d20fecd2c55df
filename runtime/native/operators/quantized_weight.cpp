#include "operators/quantized_weight.h"

#include <cmath>
#include <numeric>

#include "error.h"

namespace layoutrt::operators {
namespace {

bool is_scale(float value) { return std::isnormal(value) && value > 0.0f; }

}  // namespace

Quantization read_quantization(const KernelInfo& info, const char* op, const std::string& name) {
  const auto scale = info.number((name + "_scale").c_str());
  if (!scale || !is_scale(*scale)) {
    throw Error(LRT_INVALID_ARGUMENT, std::string(op) + ": " + name + "_scale must be a positive number, " +
                                          (scale ? "got " + std::to_string(*scale) : "but is missing"));
  }
  const auto zero_point = info.integer((name + "_zero_point").c_str());
  if (!zero_point || *zero_point < 0 || *zero_point > 255) {
    throw Error(LRT_INVALID_ARGUMENT,
                std::string(op) + ": " + name + "_zero_point must be a whole number from 0 to 255, " +
                    (zero_point ? "got " + std::to_string(*zero_point) : "but is missing"));
  }
  return {*scale, static_cast<int>(*zero_point)};
}

std::vector<float> read_scales(const KernelInfo& info, const char* op, const char* name) {
  std::vector<float> scales = info.floats(name);
  for (const float scale : scales) {
    if (is_scale(scale)) continue;
    throw Error(LRT_INVALID_ARGUMENT, std::string(op) + ": " + name +
                                          " must be positive numbers, but one of them is " +
                                          std::to_string(scale));
  }
  return scales;
}

void require_scales(const char* op, const char* name, const std::vector<float>& scales, int64_t count) {
  if (static_cast<int64_t>(scales.size()) == count) return;
  throw Error(LRT_INVALID_ARGUMENT, std::string(op) + ": " + name + " must have one number for each of " +
                                        std::to_string(count) + " channels, got " +
                                        std::to_string(scales.size()));
}

void require_exact_sums(const char* op, const char* input, const char* products, int64_t count,
                        const Shape& shape) {
  if (count <= kernels::kQuantizedSumLimit) return;
  throw Error(LRT_INVALID_ARGUMENT, std::string(op) + ": " + products + " must be at most " +
                                        std::to_string(kernels::kQuantizedSumLimit) + ", got " + input + " " +
                                        to_string(shape));
}

std::vector<int32_t> pack_words(const int8_t* weight, int64_t blocks, int64_t rows, int64_t features,
                                int64_t inner, const kernels::DotFormat& format) {
  const int bits = 32 / format.values;
  const uint32_t mask = (1u << bits) - 1;
  const int64_t groups = (features + format.values - 1) / format.values;
  std::vector<int32_t> words(static_cast<size_t>(blocks * groups * inner * rows));
  if (words.empty()) return words;
  for (int64_t output = 0; output < blocks * rows; ++output) {
    int32_t* block = words.data() + output / rows * groups * inner * rows + output % rows;
    for (int64_t feature = 0; feature < features; ++feature) {
      const int shift = static_cast<int>(feature % format.values) * bits;
      int32_t* to = block + feature / format.values * inner * rows;
      for (int64_t i = 0; i < inner; ++i) {
        const uint32_t value = static_cast<uint32_t>(weight[(output * features + feature) * inner + i]);
        to[i * rows] |= static_cast<int32_t>((value & mask) << shift);
      }
    }
  }
  return words;
}

std::vector<int32_t> dot_offsets(const int8_t* weight, int64_t outputs, int64_t products, int zero_point,
                                 const kernels::DotFormat& format) {
  std::vector<int32_t> offsets(static_cast<size_t>(outputs));
  for (int32_t& offset : offsets) {
    offset = (format.origin - zero_point) * std::accumulate(weight, weight + products, 0);
    weight += products;
  }
  return offsets;
}

}  // namespace layoutrt::operators
