// The part of x that a tile of pixels is multiplied with, in shared memory.
#pragma once

#include "elements.cuh"

namespace layoutrt::cuda {

// The 3x3 neighbourhoods of kRows x kColumns pixels, of a number of channels, as float.
template <int kRows, int kColumns>
struct InputTile {
  static constexpr int kHaloRows = kRows + 2;
  static constexpr int kPitch = kColumns + 4;  // even, so that pairs of columns are aligned
  // Channels are 8 banks apart (modulo 32), so that eight channels' four pairs of columns do not meet in a
  // bank.
  static constexpr int kPlane = kHaloRows * kPitch + (40 - kHaloRows * kPitch % 32) % 32;
  static_assert(kPlane % 32 == 8 && kPlane % 2 == 0);

  __host__ __device__ static constexpr int bytes(int channels) {
    return channels * kPlane * static_cast<int>(sizeof(float));
  }
};

// One image's x, and the affine that is applied to it before it is padded with zeros.
template <class T>
struct Input {
  const T* x;      // [channels, height, width]
  const T* scale;  // null together with shift
  const T* shift;
  int channels, height, width;
};

// Fills the tile whose first pixel is at (row0, column0), for kChannels channels from channel0.
template <int kRows, int kColumns, int kChannels, int kThreads, class T>
__device__ inline void load_input(float* tile, const Input<T>& input, int channel0, int row0, int column0) {
  using Tile = InputTile<kRows, kColumns>;
  constexpr int kHaloColumns = kColumns + 2, kPixels = Tile::kHaloRows * kHaloColumns;
#pragma unroll 2
  for (int item = static_cast<int>(threadIdx.x); item < kChannels * kPixels; item += kThreads) {
    const int c = item / kPixels, pixel = item % kPixels;
    const int y = pixel / kHaloColumns, x = pixel % kHaloColumns;
    const int channel = channel0 + c, row = row0 + y - 1, column = column0 + x - 1;
    float value = 0.0f;
    if (channel < input.channels && row >= 0 && row < input.height && column >= 0 && column < input.width) {
      const int64_t at = (static_cast<int64_t>(channel) * input.height + row) * input.width + column;
      value = to_float(__ldg(input.x + at));
      if (input.scale != nullptr) {
        value = fmaf(value, to_float(__ldg(input.scale + channel)), to_float(__ldg(input.shift + channel)));
      }
    }
    tile[c * Tile::kPlane + y * Tile::kPitch + x] = value;
  }
}

}  // namespace layoutrt::cuda
