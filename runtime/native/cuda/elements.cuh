// Numbers of either floating-point type, alone and sixteen bytes at a time; arithmetic is in float.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

namespace layoutrt::cuda {

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(__half value) { return __half2float(value); }

template <class T>
__device__ inline T from_float(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return __float2half_rn(value);
  }
}

// Elements of T in 16 bytes.
template <class T>
constexpr int kVector = 16 / static_cast<int>(sizeof(T));

// One element, or 16 bytes of them.
template <class T, int kCount>
using Bits = std::conditional_t<kCount == 1, T, uint4>;

__device__ inline void unpack(float bits, float (&values)[1]) { values[0] = bits; }
__device__ inline void unpack(__half bits, float (&values)[1]) { values[0] = __half2float(bits); }

__device__ inline void unpack(const uint4& bits, float (&values)[4]) {
  values[0] = __uint_as_float(bits.x);
  values[1] = __uint_as_float(bits.y);
  values[2] = __uint_as_float(bits.z);
  values[3] = __uint_as_float(bits.w);
}

__device__ inline void unpack(const uint4& bits, float (&values)[8]) {
  const __half2* pairs = reinterpret_cast<const __half2*>(&bits);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = __half22float2(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

__device__ inline void pack_store(float* to, const float (&values)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(values[0], values[1], values[2], values[3]);
}

__device__ inline void pack_store(__half* to, const float (&values)[8]) {
  uint4 bits;
  __half2* pairs = reinterpret_cast<__half2*>(&bits);
#pragma unroll
  for (int i = 0; i < 4; ++i) pairs[i] = __floats2half2_rn(values[2 * i], values[2 * i + 1]);
  *reinterpret_cast<uint4*>(to) = bits;
}

template <class T>
__device__ inline void pack_store(T* to, const float (&values)[1]) {
  *to = from_float<T>(values[0]);
}

// Two neighbors; `to` is aligned to both.
__device__ inline void store_pair(float* to, float a, float b) {
  *reinterpret_cast<float2*>(to) = make_float2(a, b);
}
__device__ inline void store_pair(__half* to, float a, float b) {
  *reinterpret_cast<__half2*>(to) = __floats2half2_rn(a, b);
}

}  // namespace layoutrt::cuda
