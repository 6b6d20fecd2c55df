// Planes of float32 to words of quantized values (integer_dot.h).
#pragma once

#include "kernels/integer_dot.h"

namespace layoutrt::kernels::LRT_ISA {

// q = clamp(round_half_even(value / scale) + zero_point, 0, 255).
struct Quantizer {
  float scale;
  float reciprocal;
  float low, high;   // the values of q = 0 and of q = 255
  int32_t constant;  // makes a word of the sum of the shifted bits of rounded floats
  int32_t zero;      // the word whose values are all 0.0
};

// A small float to which this is added has its rounded value, half to even, in the low bits of its mantissa.
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23
constexpr uint32_t kRounderBits = 0x4b400000u;

inline Quantizer make_quantizer(float scale, int zero_point) {
  uint32_t constant = 0;
  for (int k = 0; k < kDotValues; ++k) {
    constant += (static_cast<uint32_t>(zero_point) - kRounderBits) << (k * kDotBits);
  }
  return {scale,
          1.0f / scale,
          static_cast<float>(-zero_point) * scale,
          static_cast<float>(255 - zero_point) * scale,
          static_cast<int32_t>(constant),
          dot_word(zero_point) ^ dot_word(kDotOrigin)};
}

using Words = uint32_t __attribute__((vector_size(kLanes * sizeof(uint32_t))));  // sums of bits wrap around

// round_half_even(value / scale) + kRounderBits, as bits.
LRT_INLINE Words rounded_bits(const Quantizer& quantizer, Vector value) {
  const Vector low = broadcast(quantizer.low);
  const Vector high = broadcast(quantizer.high);
  // In this order a value that is not a number becomes q = 0.
  value = value > low ? value : low;
  value = value < high ? value : high;
#if defined(__FMA__) || defined(__aarch64__)
  // Division by Markstein's correction of a product with the reciprocal; compilers make these lines two fused
  // multiply-adds, and the quotient that of a division.
  Vector quotient = value * quantizer.reciprocal;
  const Vector rest = value - quotient * quantizer.scale;
  quotient = quotient + rest * quantizer.reciprocal;
#else
  const Vector quotient = value / quantizer.scale;
#endif
  return (Words)(quotient + kRounder);
}

LRT_INLINE IntVector quantized_words(const Quantizer& quantizer, const Vector (&values)[kDotValues]) {
  Words words = (Words)broadcast_word(quantizer.constant);
#pragma GCC unroll 4
  for (int k = 0; k < kDotValues; ++k) words += rounded_bits(quantizer, values[k]) << (k * kDotBits);
  return (IntVector)words ^ broadcast_word(dot_word(kDotOrigin));
}

// words[i] = the values of pixel i in kDotValues planes that lie `stride` apart, of which there are `planes`;
// what a word has room for beyond them is not defined, and must meet weights of 0.
LRT_INLINE void quantize_run(const Quantizer& quantizer, const float* from, int64_t stride, int64_t planes,
                             int64_t pixels, int32_t* words) {
  const float* plane[kDotValues];
  for (int k = 0; k < kDotValues; ++k) plane[k] = from + smaller<int64_t>(k, planes - 1) * stride;
  Vector values[kDotValues];
  int64_t i = 0;
  for (; i + kLanes <= pixels; i += kLanes) {
#pragma GCC unroll 4
    for (int k = 0; k < kDotValues; ++k) values[k] = load(plane[k] + i);
    const IntVector made = quantized_words(quantizer, values);
    __builtin_memcpy(words + i, &made, sizeof(made));
  }
  if (i == pixels) return;
  const size_t bytes = static_cast<size_t>(pixels - i) * sizeof(float);
  for (int k = 0; k < kDotValues; ++k) {
    values[k] = Vector{};
    __builtin_memcpy(&values[k], plane[k] + i, bytes);
  }
  const IntVector made = quantized_words(quantizer, values);
  __builtin_memcpy(words + i, &made, bytes);
}

}  // namespace layoutrt::kernels::LRT_ISA
