// One vector of float32, as wide as the instruction set this file is compiled for.
//
// Every kernel source is compiled once per instruction set, with LRT_ISA naming the inner namespace. Kernels
// must not touch the C++ standard library: an inline function of it, compiled here with AVX-512 flags, could
// be the copy that the linker keeps for code that runs on every machine.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifndef LRT_ISA
#error "LRT_ISA must name the instruction set (CMakeLists.txt sets it for each kernel library)"
#endif

#define LRT_INLINE static inline __attribute__((always_inline))
#define LRT_METHOD __attribute__((always_inline))

namespace layoutrt::kernels::LRT_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

// AVX-512 and AArch64 have 32 vector registers, which decides how many accumulators fit.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr bool kManyRegisters = true;
#else
constexpr bool kManyRegisters = false;
#endif

using Vector = float __attribute__((vector_size(kLanes * sizeof(float))));
using Bits = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));

LRT_INLINE Vector load(const float* from) {
  Vector value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}

LRT_INLINE void store(float* to, Vector value) { __builtin_memcpy(to, &value, sizeof(value)); }

LRT_INLINE Vector broadcast(float value) { return value - Vector{}; }

LRT_INLINE Vector masked(Vector value, Bits mask) {
  return reinterpret_cast<Vector>(reinterpret_cast<Bits>(value) & mask);
}

template <typename T>
LRT_INLINE T smaller(T a, T b) {
  return a < b ? a : b;
}

constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace layoutrt::kernels::LRT_ISA
