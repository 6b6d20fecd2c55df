// IEEE half precision without hardware: conversions of cuda_fp16.h.
#pragma once

#include <cuda_runtime.h>

struct alignas(2) __half {
  uint16_t bits;
  __half() = default;
  __half(int value);
};
struct alignas(4) __half2 {
  __half x, y;
};

namespace emulation {

inline float half_to_float(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float sign = bits >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                               : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25));
}

// To the nearest, ties to even.
inline uint16_t float_to_half(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float size = std::fabs(value);
  if (std::isnan(value)) return 0x7fff;
  if (size == 0.0f) return sign;
  if (size >= 65520.0f) return sign | 0x7c00;  // rounds to infinity
  int exponent;
  std::frexp(size, &exponent);
  // Eleven bits of the number, or as many as are left of a subnormal one; nearbyint rounds ties to even.
  const int unit = exponent - 11 < -24 ? -24 : exponent - 11;
  const int digits = static_cast<int>(std::nearbyint(std::ldexp(size, -unit)));
  // A full eleventh bit is the exponent's lowest, so digits that round up to 2048 carry into it.
  return sign | static_cast<uint16_t>(((unit + 24) << 10) + digits);
}

}  // namespace emulation

inline float __half2float(__half value) { return emulation::half_to_float(value.bits); }
inline __half __float2half_rn(float value) {
  __half half;
  half.bits = emulation::float_to_half(value);
  return half;
}
inline __half::__half(int value) : bits(emulation::float_to_half(static_cast<float>(value))) {}
inline float2 __half22float2(__half2 pair) { return {__half2float(pair.x), __half2float(pair.y)}; }
inline __half2 __floats2half2_rn(float a, float b) { return {__float2half_rn(a), __float2half_rn(b)}; }
