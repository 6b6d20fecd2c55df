// Stands for runtime/native/cuda/device/ptx.cuh: fragments as the PTX ISA lays them out (under "Matrix
// Fragments for mma.m16n8k16 with floating point type", "for mma.m16n8k32", and ldmatrix).
#pragma once

#include <cuda_runtime.h>

namespace layoutrt::cuda {

// Defined in warp.cpp.
void load_matrices(uint32_t (&out)[4], const void* row);
void multiply_add(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
void multiply_add(int32_t (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

inline void copy_async(void* shared, const void* global, bool valid) {
  emulation::copy_later(shared, global, valid);
}
inline void commit_copies() { emulation::commit_copies(); }
template <int kPending>
void wait_copies() {
  emulation::wait_copies(kPending);
}

}  // namespace layoutrt::cuda
