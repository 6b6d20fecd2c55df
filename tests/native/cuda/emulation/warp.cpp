// Instructions of a warp.
#include <cuda_fp16.h>

#include <device/ptx.cuh>
#include <vector>

namespace layoutrt::cuda {
namespace {

struct Load {
  const unsigned char* row;
  uint32_t* out;
};

template <class Number>
struct Product {
  Number* sum;
  const uint32_t* a;
  uint32_t b[2];
};

float half_value(uint16_t bits) {
  static const std::vector<float> values = [] {
    std::vector<float> table(1 << 16);
    for (size_t i = 0; i < table.size(); ++i) table[i] = emulation::half_to_float(static_cast<uint16_t>(i));
    return table;
  }();
  return values[bits];
}

// Element `i` of a 32-bit register.
float element(uint32_t bits, int i, float) { return half_value(static_cast<uint16_t>(bits >> (16 * i))); }
int32_t element(uint32_t bits, int i, int32_t) { return static_cast<int8_t>(bits >> (8 * i)); }

// 16 x K times K x 8. A register holds `kPacked` neighbors of a row of A or of a column of B; lane l has row
// l/4 and column l/4, and of them the (l%4)-th register of each half of K.
template <class Number>
void multiply(void* const* of_lanes) {
  constexpr int kPacked = std::is_same_v<Number, float> ? 2 : 4, kDepth = 8 * kPacked;
  Number a[16][kDepth], b[kDepth][8], sum[16][8];
  const auto product = [&](int lane) { return static_cast<Product<Number>*>(of_lanes[lane]); };
  for (int lane = 0; lane < 32; ++lane) {
    const int line = lane / 4, first = lane % 4 * kPacked;
    for (int i = 0; i < kPacked; ++i) {
      for (int k = 0; k < 2; ++k) {
        const int depth = first + i + k * kDepth / 2;
        a[line][depth] = element(product(lane)->a[2 * k], i, Number());
        a[line + 8][depth] = element(product(lane)->a[2 * k + 1], i, Number());
        b[depth][line] = element(product(lane)->b[k], i, Number());
      }
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) sum[row][column] = 0;
    for (int depth = 0; depth < kDepth; ++depth) {
      for (int column = 0; column < 8; ++column) sum[row][column] += a[row][depth] * b[depth][column];
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) product(lane)->sum[i] += sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

void load(void* const* of_lanes) {
  const auto lane_load = [&](int lane) { return static_cast<Load*>(of_lanes[lane]); };
  for (int matrix = 0; matrix < 4; ++matrix) {
    // A row takes 4 of the 32 banks of 4 bytes.
    unsigned taken = 0;
    for (int row = 0; row < 8; ++row) {
      taken |= 1u << reinterpret_cast<uintptr_t>(lane_load(8 * matrix + row)->row) / 16 % 8;
    }
    if (taken != 255) emulation::count_bank_conflict();
  }
  for (int lane = 0; lane < 32; ++lane) {
    if (reinterpret_cast<uintptr_t>(lane_load(lane)->row) % 16 != 0) {
      emulation::fail(cudaErrorMisalignedAddress, "a row of a matrix is not aligned to 16 bytes");
    }
    for (int i = 0; i < 4; ++i) {
      std::memcpy(&lane_load(lane)->out[i], lane_load(8 * i + lane / 4)->row + lane % 4 * 4, 4);
    }
  }
}

}  // namespace

void load_matrices(uint32_t (&out)[4], const void* row) {
  Load argument{static_cast<const unsigned char*>(row), out};
  emulation::execute_together(&argument, load);
}

void multiply_add(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Product<float> argument{sum, a, {b0, b1}};
  emulation::execute_together(&argument, multiply<float>);
}

void multiply_add(int32_t (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Product<int32_t> argument{sum, a, {b0, b1}};
  emulation::execute_together(&argument, multiply<int32_t>);
}

}  // namespace layoutrt::cuda
