// PredictedConv in float32, exact to rounding: no tensor cores, whose TF32 keeps 10 bits. As there, a thread
// ends with all nine taps of its pixels: one channel, 2 rows of 4 neighbors, 72 sums. A row of features is
// read once, 16 bytes at a time, for the three taps of the predictor that lie in it.
#pragma once

#include <device/launch.cuh>

#include "device_limits.cuh"
#include "input_tile.cuh"
#include "operators.h"

namespace layoutrt::cuda {

struct FloatTile {
  static constexpr int kRows = 8, kColumns = 16, kChannels = 8;
  static constexpr int kThreads = 128;  // 4 pairs of rows x 4 quads of columns x 8 channels
  static constexpr int kFeatures = 8;   // at a time
  static constexpr int kTaps = 9;
  static constexpr int kTapPitch = 12;  // a channel's taps, in whole 16-byte units
  // Row length of the features. Pairs of rows are 16 banks apart, which with 4 quads of 4 columns makes
  // all 32.
  static constexpr int kPitch = 24;

  __host__ __device__ static constexpr int weight_floats(int p) {
    return kFeatures * p * p * kChannels * kTapPitch;
  }
  __host__ __device__ static constexpr int feature_floats(int p) {
    return kFeatures * (kRows + p - 1) * kPitch;
  }
  __host__ __device__ static constexpr int bytes(int p) {
    return (weight_floats(p) + feature_floats(p)) * static_cast<int>(sizeof(float));
  }
};

struct FloatParameters {
  PredictedConv op;
  int column_tiles, tiles, groups;
};

// Features `first` to `first` + 7 of a tile of pixels, and the weights of a group of channels for them.
template <int P>
__device__ inline void load_operands(float* weight, float* features, const PredictedConv& op, int64_t image,
                                     int channel0, int row0, int column0, int first) {
  using Tile = FloatTile;
  constexpr int kRowCount = Tile::kRows + P - 1, kColumnCount = Tile::kColumns + P - 1;
  const int thread = static_cast<int>(threadIdx.x);
  for (int item = thread; item < Tile::kFeatures * kRowCount * kColumnCount; item += Tile::kThreads) {
    const int x = item % kColumnCount, y = item / kColumnCount % kRowCount;
    const int j = item / (kColumnCount * kRowCount), feature = first + j;
    const int row = row0 + y - P / 2, column = column0 + x - P / 2;
    float value = 0.0f;
    if (feature < op.features && row >= 0 && row < op.height && column >= 0 && column < op.width) {
      const int64_t at = ((image * op.features + feature) * op.height + row) * op.width + column;
      value = __ldg(static_cast<const float*>(op.h) + at);
    }
    features[(j * kRowCount + y) * Tile::kPitch + x] = value;
  }
  for (int item = thread; item < Tile::kFeatures * P * P * Tile::kChannels * Tile::kTaps;
       item += Tile::kThreads) {
    const int j = item % Tile::kFeatures, position = item / Tile::kFeatures % (P * P);
    const int row = item / (Tile::kFeatures * P * P);
    const int c = row / Tile::kTaps, tap = row % Tile::kTaps;
    const int channel = channel0 + c, feature = first + j;
    float value = 0.0f;
    if (channel < op.channels && feature < op.features) {
      const int64_t at =
          ((static_cast<int64_t>(channel) * Tile::kTaps + tap) * (P * P) + position) * op.features + feature;
      value = __ldg(static_cast<const float*>(op.weight) + at);
    }
    weight[((j * P * P + position) * Tile::kChannels + c) * Tile::kTapPitch + tap] = value;
  }
}

template <int P>
__global__ void __launch_bounds__(FloatTile::kThreads, 3) predict_and_apply_float(FloatParameters p) {
  using Tile = FloatTile;
  const PredictedConv& op = p.op;
  float* const weight = reinterpret_cast<float*>(shared_memory());
  float* const features = weight + Tile::weight_floats(P);
  const int block = static_cast<int>(blockIdx.x);
  const int channel0 = block % p.groups * Tile::kChannels, tile = block / p.groups % p.tiles;
  const int64_t image = block / p.groups / p.tiles;
  const int row0 = tile / p.column_tiles * Tile::kRows, column0 = tile % p.column_tiles * Tile::kColumns;
  const int thread = static_cast<int>(threadIdx.x);
  const int quad = thread % 4, pair = thread / 4 % 4, c = thread / 16;

  float sums[Tile::kTaps][2][4] = {};
  for (int first = 0; first < op.features; first += Tile::kFeatures) {
    __syncthreads();
    load_operands<P>(weight, features, op, image, channel0, row0, column0, first);
    __syncthreads();
#pragma unroll 1
    for (int line = 0; line < Tile::kFeatures * P; ++line) {  // feature and row of the predictor's kernel
      const int j = line / P, dy = line % P;
      float window[2][8];
#pragma unroll
      for (int y = 0; y < 2; ++y) {
        const float* from =
            features + (j * (Tile::kRows + P - 1) + 2 * pair + y + dy) * Tile::kPitch + 4 * quad;
        const float4 low = *reinterpret_cast<const float4*>(from);
        window[y][0] = low.x;
        window[y][1] = low.y;
        window[y][2] = low.z;
        window[y][3] = low.w;
        if constexpr (P == 3) {
          const float2 high = *reinterpret_cast<const float2*>(from + 4);
          window[y][4] = high.x;
          window[y][5] = high.y;
        }
      }
#pragma unroll
      for (int dx = 0; dx < P; ++dx) {
        const float* from = weight + ((line * P + dx) * Tile::kChannels + c) * Tile::kTapPitch;
        const float4 low = *reinterpret_cast<const float4*>(from);
        const float4 high = *reinterpret_cast<const float4*>(from + 4);
        const float taps[Tile::kTaps] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w, from[8]};
#pragma unroll
        for (int tap = 0; tap < Tile::kTaps; ++tap) {
#pragma unroll
          for (int i = 0; i < 8; ++i) {
            sums[tap][i / 4][i % 4] = fmaf(taps[tap], window[i / 4][i % 4 + dx], sums[tap][i / 4][i % 4]);
          }
        }
      }
    }
  }

  // x takes the place of the weight.
  using X = InputTile<Tile::kRows, Tile::kColumns>;
  float* const input = weight;
  const int64_t pixels = static_cast<int64_t>(op.height) * op.width;
  const Input<float> x{static_cast<const float*>(op.x) + image * op.channels * pixels,
                       static_cast<const float*>(op.scale),
                       static_cast<const float*>(op.shift),
                       op.channels,
                       op.height,
                       op.width};
  __syncthreads();
  load_input<Tile::kRows, Tile::kColumns, Tile::kChannels, Tile::kThreads>(input, x, channel0, row0, column0);
  __syncthreads();
  const int channel = channel0 + c;
  if (channel >= op.channels) return;
  const float* bias = static_cast<const float*>(op.bias) + static_cast<int64_t>(channel) * Tile::kTaps;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int y = 2 * pair + i / 4, column = 4 * quad + i % 4;
    float sum = 0.0f;
#pragma unroll
    for (int tap = 0; tap < Tile::kTaps; ++tap) {
      const float value = input[c * X::kPlane + (y + tap / 3) * X::kPitch + column + tap % 3];
      sum = fmaf(sums[tap][i / 4][i % 4] + __ldg(bias + tap), value, sum);
    }
    if (row0 + y >= op.height || column0 + column >= op.width) continue;
    const int64_t at = ((image * op.channels + channel) * op.height + row0 + y) * op.width + column0 + column;
    static_cast<float*>(op.y)[at] = sum;
  }
}

template <int P>
cudaError_t launch_float(const PredictedConv& op, cudaStream_t stream) {
  using Tile = FloatTile;
  static_assert(InputTile<Tile::kRows, Tile::kColumns>::bytes(Tile::kChannels) <= Tile::bytes(P));
  FloatParameters p{op, 0, 0, 0};
  p.column_tiles = static_cast<int>(divide_up(op.width, Tile::kColumns));
  const int64_t tiles = p.column_tiles * divide_up(op.height, Tile::kRows);
  p.groups = static_cast<int>(divide_up(op.channels, Tile::kChannels));
  const int64_t blocks = op.n * tiles * p.groups;
  if (!fits_grid(blocks)) return cudaErrorInvalidValue;
  p.tiles = static_cast<int>(tiles);
  return launch_kernel(predict_and_apply_float<P>, dim3(static_cast<unsigned>(blocks)), dim3(Tile::kThreads),
                       static_cast<size_t>(Tile::bytes(P)), stream, p);
}

}  // namespace layoutrt::cuda
