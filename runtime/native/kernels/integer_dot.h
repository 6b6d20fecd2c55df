// Exact dot products of quantized features and weights, in vectors of int32.
//
// A word is kDotValues quantized features of one pixel, or as many weights of one output: what one
// instruction multiplies and adds up for one lane. Where bytes are multiplied the features may be held with
// an origin other than 0, so that they fit the type that the instruction takes.
#pragma once

#include "kernels/simd.h"

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace layoutrt::kernels::LRT_ISA {

using IntVector = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));

#if defined(__AVX512VNNI__)
constexpr int kDotValues = 4;  // uint8 x int8
constexpr int kDotOrigin = 0;
#elif defined(__ARM_FEATURE_DOTPROD)
constexpr int kDotValues = 4;  // int8 x int8
constexpr int kDotOrigin = 128;
#else
// int16 x int16: adding up products of bytes in 16 bits would saturate.
constexpr int kDotValues = 2;
constexpr int kDotOrigin = 0;
#endif
constexpr int kDotBits = 32 / kDotValues;

// kDotValues times the same value.
constexpr int32_t dot_word(int value) {
  uint32_t word = 0;
  for (int k = 0; k < kDotValues; ++k) {
    word |= (static_cast<uint32_t>(value) & ((1u << kDotBits) - 1)) << (k * kDotBits);
  }
  return static_cast<int32_t>(word);
}

LRT_INLINE IntVector load_words(const int32_t* from) {
  IntVector value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}

LRT_INLINE IntVector broadcast_word(int32_t value) { return value - IntVector{}; }

LRT_INLINE Vector to_float(IntVector value) { return __builtin_convertvector(value, Vector); }

// sum + the dot product of features and weights, in every lane.
LRT_INLINE IntVector dot(IntVector sum, IntVector features, IntVector weights) {
#if defined(__AVX512VNNI__)
  return (IntVector)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)features, (__m512i)weights);
#elif defined(__AVX512BW__)
  return sum + (IntVector)_mm512_madd_epi16((__m512i)features, (__m512i)weights);
#elif defined(__AVX2__)
  return sum + (IntVector)_mm256_madd_epi16((__m256i)features, (__m256i)weights);
#elif defined(__SSE2__)
  return sum + (IntVector)_mm_madd_epi16((__m128i)features, (__m128i)weights);
#elif defined(__ARM_FEATURE_DOTPROD)
  return (IntVector)vdotq_s32((int32x4_t)sum, (int8x16_t)features, (int8x16_t)weights);
#elif defined(__aarch64__)
  const int16x8_t a = (int16x8_t)features;
  const int16x8_t b = (int16x8_t)weights;
  const int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
  return sum + (IntVector)vpaddq_s32(low, vmull_high_s16(a, b));
#else
  return sum + (features << 16 >> 16) * (weights << 16 >> 16) + (features >> 16) * (weights >> 16);
#endif
}

// acc[t][v] += weight[t] . features[v]: one word of features at one offset.
template <int T, int V>
LRT_INLINE void accumulate_words(IntVector (&acc)[T][V], const int32_t* features, const int32_t* weight) {
  IntVector value[V];
#pragma GCC unroll 3
  for (int v = 0; v < V; ++v) value[v] = load_words(features + v * kLanes);
#pragma GCC unroll 9
  for (int t = 0; t < T; ++t) {
    const IntVector w = broadcast_word(weight[t]);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[t][v] = dot(acc[t][v], value[v], w);
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
