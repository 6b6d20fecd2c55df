// Kernels predicted on tensor cores and applied before they leave the registers.
//
// A block takes 16 channels (a group) and a tile of pixels. It multiplies the group's 16 x 9 rows of the
// weight with the features of the pixels: M = 144, N = pixels, K = p*p*features. The 144 rows are nine 16-row
// tiles, one for each tap of the predicted kernels, with the channels in the same order; in the layout of
// mma's results a thread therefore ends with all nine taps of its channels at its pixels. It adds the bias,
// multiplies with the neighbourhood of x and sums up, and nothing of it is exchanged or stored.
#pragma once

#include <device/launch.cuh>
#include <device/ptx.cuh>

#include "device_limits.cuh"
#include "predictor_features.cuh"
#include "predictor_weight.cuh"

namespace layoutrt::cuda {

template <class Element>
using Sum = std::conditional_t<std::is_same_v<Element, int8_t>, int32_t, float>;

// Adds the products of one stage, with the features shifted by a tap. `steps` is 1 or 2.
template <class Tile, class Number>
__device__ inline void multiply_stage(Number (&sums)[kTaps][Tile::kTiles][4], const unsigned char* stage,
                                      const unsigned char* features, int pair_stride, int steps) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int step = 0; step < kStageBytes / kStepBytes; ++step) {
    if (step >= steps) break;
    uint32_t b[Tile::kTiles][2];
#pragma unroll
    for (int pair = 0; pair < Tile::kTiles / 2; ++pair) {
      uint32_t four[4];
      load_matrices(four, features + pair * pair_stride + step * kStepBytes);
      b[2 * pair][0] = four[0];
      b[2 * pair][1] = four[1];
      b[2 * pair + 1][0] = four[2];
      b[2 * pair + 1][1] = four[3];
    }
    const unsigned char* rows = stage + weight_address(lane % 16, 2 * step + lane / 16);
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      uint32_t a[4];
      load_matrices(a, rows + tap * kGroup * kStageBytes);
#pragma unroll
      for (int tile = 0; tile < Tile::kTiles; ++tile) {
        multiply_add(sums[tap][tile], a, b[tile][0], b[tile][1]);
      }
    }
  }
}

// Stores two neighbors as levels of y_scale.
__device__ inline void store_levels(const PredictorParameters& p, int image, int channel, int row, int column,
                                    float first, float second) {
  const int step = p.y_layout == Layout::kNchw32 ? 32 : 1;  // bytes from a pixel to the next
  const int64_t plane = (static_cast<int64_t>(image) * p.channels + channel / step * step) * p.height;
  int8_t* to =
      static_cast<int8_t*>(p.y) + (plane + static_cast<int64_t>(row) * step) * p.width + column * step;
  if (step != 1) to += channel % step;
  to[0] = quantize(first, p.y_scale);
  if (column + 1 < p.width) to[step] = quantize(second, p.y_scale);
}

// Applies a thread's predicted kernels to x and stores its pixels.
template <class Element, class T, class Tile>
__device__ inline void apply(const Sum<Element> (&sums)[kTaps][Tile::kTiles][4], const PredictorParameters& p,
                             const float* input, int image, int channel0, int row0, int column0) {
  using X = InputTile<Tile::kRows, Tile::kColumns>;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int of_group = lane / 4 + 8 * half, channel = channel0 + of_group;
    if (channel >= p.channels) continue;
    float bias[kTaps], factor = 1.0f;
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      bias[tap] = to_float(__ldg(static_cast<const T*>(p.bias) + channel * kTaps + tap));
    }
    if constexpr (std::is_same_v<Element, int8_t>) factor = p.h_scale * __ldg(p.weight_scale + channel);
#pragma unroll
    for (int tile = 0; tile < Tile::kTiles; ++tile) {
      const int of_block = warp * Tile::kTiles + tile;
      const int y = of_block / Tile::kTilesInRow, x = of_block % Tile::kTilesInRow * 8 + lane % 4 * 2;
      float first = 0.0f, second = 0.0f;
#pragma unroll
      for (int dy = 0; dy < 3; ++dy) {
        const float2* from =
            reinterpret_cast<const float2*>(input + of_group * X::kPlane + (y + dy) * X::kPitch + x);
        const float2 left = from[0], right = from[1];
        const float window[4] = {left.x, left.y, right.x, right.y};
#pragma unroll
        for (int dx = 0; dx < 3; ++dx) {
          const int tap = dy * 3 + dx;
          const float a = static_cast<float>(sums[tap][tile][2 * half]);
          const float b = static_cast<float>(sums[tap][tile][2 * half + 1]);
          first = fmaf(fmaf(a, factor, bias[tap]), window[dx], first);
          second = fmaf(fmaf(b, factor, bias[tap]), window[dx + 1], second);
        }
      }
      const int row = row0 + y, column = column0 + x;
      if (row >= p.height || column >= p.width) continue;
      if constexpr (std::is_same_v<Element, int8_t>) {
        if (p.y_scale > 0.0f) {
          store_levels(p, image, channel, row, column, first, second);
          continue;
        }
      }
      T* to = static_cast<T*>(p.y) +
              ((static_cast<int64_t>(image) * p.channels + channel) * p.height + row) * p.width + column;
      if (p.width % 2 == 0) {
        store_pair(to, first, second);
      } else {
        to[0] = from_float<T>(first);
        if (column + 1 < p.width) to[1] = from_float<T>(second);
      }
    }
  }
}

// T is the type of x, bias and y; h may be of another (PredictorParameters::h_type).
template <class Element, class T, int P, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 2) predict_and_apply(PredictorParameters p) {
  using Shared = SharedLayout<P, Tile>;
  unsigned char* const stages = shared_memory();
  unsigned char* const features = stages + Shared::features();
  float* const input = reinterpret_cast<float*>(stages + Shared::input());

  const int block = static_cast<int>(blockIdx.x);
  const int rest = p.groups_first ? block / p.group_chunks : block / p.tiles;
  const int tile = p.groups_first ? rest % p.tiles : block % p.tiles;
  const int chunk = p.groups_first ? block % p.group_chunks : rest % p.group_chunks;
  const int image = p.groups_first ? rest / p.tiles : rest / p.group_chunks;
  const int row0 = tile / p.column_tiles * Tile::kRows, column0 = tile % p.column_tiles * Tile::kColumns;
  const int first_group = chunk * p.groups_per_block;
  const int last_group = min(first_group + p.groups_per_block, p.groups);

  // A lane's row of the features: of two tiles of 8 pixels, the two 16-byte units of a step.
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int pitch = p.block_bytes + kPitchPadding;
  const auto pixel_of = [&](int of_block) {
    return of_block / Tile::kTilesInRow * Shared::kFeatureColumns + of_block % Tile::kTilesInRow * 8;
  };
  const int of_lane = pixel_of(warp * Tile::kTiles + lane / 16) + lane % 8;
  const unsigned char* const lane_features = features + of_lane * pitch + lane / 8 % 2 * 16;
  const int pair_stride = pixel_of(2) * pitch;

  const auto load_x = [&](int channel0) {
    const int64_t pixels = static_cast<int64_t>(p.height) * p.width;
    const Input<T> x{static_cast<const T*>(p.x) + image * p.channels * pixels,
                     static_cast<const T*>(p.scale),
                     static_cast<const T*>(p.shift),
                     p.channels,
                     p.height,
                     p.width};
    load_input<Tile::kRows, Tile::kColumns, kGroup, Tile::kThreads>(input, x, channel0, row0, column0);
  };

  WeightStages<Element, Tile> weight(p, stages, P * P);
  for (int group = first_group; group < last_group; ++group) {
    const int channel0 = group * kGroup;
    weight.select(channel0);
    Sum<Element> sums[kTaps][Tile::kTiles][4] = {};
    for (int first = 0; first < p.feature_bytes; first += p.block_bytes) {
      const int block_steps = (min(p.block_bytes, p.feature_bytes - first) + kStepBytes - 1) / kStepBytes;
      const int stages_of_tap = (block_steps + 1) / 2, all_stages = stages_of_tap * P * P;
      int next_tap = 0, next_part = 0;
      const auto request_next = [&](int number) {
        if (number < all_stages) {
          weight.request(number % Tile::kStages, next_tap, first + next_part * kStageBytes);
          if (++next_part == stages_of_tap) {
            next_part = 0;
            ++next_tap;
          }
        }
        commit_copies();
      };
      __syncthreads();  // nobody reads shared memory any more
      // Where they come in blocks there is one group (launch_tiles).
      if (group == first_group) {
        const int of_first = first / static_cast<int>(sizeof(Element));
        const int count = block_steps * kStepBytes / static_cast<int>(sizeof(Element));
        if (!std::is_same_v<Element, __half> && p.h_type == Type::kInt8) {
          if constexpr (std::is_same_v<Element, int8_t>) {
            load_features<Element, int8_t, P, Tile>(features, p, image, row0, column0, of_first, count,
                                                    pitch);
          }
        } else {
          load_features<Element, T, P, Tile>(features, p, image, row0, column0, of_first, count, pitch);
        }
      }
#pragma unroll
      for (int i = 0; i < Tile::kStages - 1; ++i) request_next(i);
      if (Shared::kInputApart && first == 0) load_x(channel0);
      int tap = 0, part = 0;
#pragma unroll 1
      for (int number = 0; number < all_stages; ++number) {
        wait_copies<Tile::kStages - 2>();
        __syncthreads();
        request_next(number + Tile::kStages - 1);
        const int shift = tap / P * Shared::kFeatureColumns + tap % P;
        multiply_stage<Tile>(sums, stages + number % Tile::kStages * Shared::kStage,
                             lane_features + shift * pitch + part * kStageBytes, pair_stride,
                             block_steps - 2 * part);
        if (++part == stages_of_tap) {
          part = 0;
          ++tap;
        }
      }
    }
    if (!Shared::kInputApart) {
      __syncthreads();
      load_x(channel0);
      __syncthreads();
    }
    apply<Element, T, Tile>(sums, p, input, image, channel0, row0, column0);
  }
}

template <class Tile>
int64_t tile_count(const PredictorParameters& p) {
  return divide_up(p.height, Tile::kRows) * divide_up(p.width, Tile::kColumns);
}

// Completes the parameters and launches; `p` holds the operator.
template <class Element, class T, int P, class Tile>
cudaError_t launch_tiles(PredictorParameters p, const DeviceLimits& limits, cudaStream_t stream) {
  using Shared = SharedLayout<P, Tile>;
  p.column_tiles = static_cast<int>(divide_up(p.width, Tile::kColumns));
  const int64_t tiles = tile_count<Tile>(p);
  p.groups = static_cast<int>(divide_up(p.channels, kGroup));
  // All features of the tile at once where two blocks still fit on a multiprocessor; CUDA takes 1 KiB of
  // each.
  const int whole = static_cast<int>(divide_up(p.feature_bytes, kStepBytes)) * kStepBytes;
  const bool at_once = whole <= kBlockBytes || (whole < limits.shared_bytes &&
                                                2 * (Shared::bytes(whole) + 1024) <= limits.shared_bytes);
  p.block_bytes = at_once ? whole : kBlockBytes;
  // Features that stay serve several groups, as long as there are four rounds of blocks for the device.
  const int64_t rounds = p.n * tiles * p.groups / (8 * limits.multiprocessors);
  p.groups_per_block = !at_once || rounds < 1 ? 1 : static_cast<int>(rounds < p.groups ? rounds : p.groups);
  p.group_chunks = static_cast<int>(divide_up(p.groups, p.groups_per_block));
  // Neighboring blocks share the larger operand, so that it comes from DRAM once.
  const int64_t weight_bytes = static_cast<int64_t>(p.channels) * kTaps * P * P * p.feature_bytes;
  p.groups_first = weight_bytes < static_cast<int64_t>(p.height) * p.width * p.feature_bytes;
  const int64_t blocks = p.n * tiles * p.group_chunks;
  if (!fits_grid(blocks)) return cudaErrorInvalidValue;
  p.tiles = static_cast<int>(tiles);
  return launch_kernel(predict_and_apply<Element, T, P, Tile>, dim3(static_cast<unsigned>(blocks)),
                       dim3(Tile::kThreads), static_cast<size_t>(Shared::bytes(p.block_bytes)), stream, p);
}

template <class Element, class T, int P>
cudaError_t launch_predictor_size(const PredictorParameters& p, cudaStream_t stream) {
  // Pairs of pixels are stored, and features that lie side by side are read at once.
  if (p.y_scale == 0.0f && !is_aligned(p.y, 2 * sizeof(T))) return cudaErrorMisalignedAddress;
  if (p.h_layout != Layout::kNchw && !is_aligned(p.h, 16)) return cudaErrorMisalignedAddress;
  // An image and a channel are counted together in 32 bits.
  if (static_cast<int64_t>(p.n) * p.channels > INT32_MAX) return cudaErrorInvalidValue;
  DeviceLimits limits;
  const cudaError_t status = query(limits);
  if (status != cudaSuccess) return status;
  const int64_t blocks = p.n * tile_count<LargeTile>(p) * divide_up(p.channels, kGroup);
  // Large tiles read less for a pixel, which pays if they reach most multiprocessors and not too much of them
  // lies outside.
  const int64_t large_pixels = tile_count<LargeTile>(p) * LargeTile::kRows * LargeTile::kColumns;
  const int64_t small_pixels = tile_count<SmallTile>(p) * SmallTile::kRows * SmallTile::kColumns;
  const bool small = 3 * blocks < 2 * limits.multiprocessors || 2 * large_pixels > 3 * small_pixels;
  return small ? launch_tiles<Element, T, P, SmallTile>(p, limits, stream)
               : launch_tiles<Element, T, P, LargeTile>(p, limits, stream);
}

// The parameters of an operator of either kind, without what launch_tiles completes.
template <class Element, class Operator>
PredictorParameters predictor_parameters(const Operator& op) {
  PredictorParameters p{};
  p.x = op.x;
  p.h = op.h;
  p.weight = op.weight;
  p.bias = op.bias;
  p.scale = op.scale;
  p.shift = op.shift;
  p.y = op.y;
  p.n = op.n;
  p.channels = op.channels;
  p.features = op.features;
  p.height = op.height;
  p.width = op.width;
  p.h_layout = op.h_layout;
  p.feature_bytes = op.features * static_cast<int>(sizeof(Element));
  p.whole_segments = p.feature_bytes % 16 == 0 && is_aligned(op.weight, 16);
  return p;
}

template <class Element, class T>
cudaError_t launch_predictor(const PredictorParameters& p, int kernel_size, cudaStream_t stream) {
  return kernel_size == 1 ? launch_predictor_size<Element, T, 1>(p, stream)
                          : launch_predictor_size<Element, T, 3>(p, stream);
}

}  // namespace layoutrt::cuda
