// Common parts of the kernels that predict and apply kernels on tensor cores: how pixels are divided, and how
// shared memory is laid out.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "input_tile.cuh"
#include "operators.h"

namespace layoutrt::cuda {

// A block's pixels: each of kWarps warps has kTiles tiles of 8 neighbors in a row.
template <int kRows_, int kColumns_, int kWarps_, int kTiles_, int kStages_>
struct PixelTile {
  static constexpr int kRows = kRows_, kColumns = kColumns_, kWarps = kWarps_, kTiles = kTiles_;
  static constexpr int kStages = kStages_;  // of the weight's way to shared memory
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kTilesInRow = kColumns / 8;
  static_assert(kRows * kColumns == kWarps * kTiles * 8 && kTiles % 2 == 0);
};

// 144 sums a thread: as much reuse of what is read from shared memory as registers allow.
using LargeTile = PixelTile<8, 16, 4, 4, 2>;
// For images so small that large tiles leave multiprocessors idle. These wait for the weight, which comes
// from DRAM once, so more of it is on its way.
using SmallTile = PixelTile<4, 8, 2, 2, 4>;

constexpr int kTaps = 9;
constexpr int kGroup = 16;         // channels of a block at a time; with their taps 144 rows of the weight
constexpr int kStageBytes = 64;    // of each of those rows
constexpr int kStepBytes = 32;     // what one product of fragments consumes of a row
constexpr int kBlockBytes = 128;   // features of a pixel at a time, where not all of them fit
constexpr int kPitchPadding = 16;  // makes a pixel an odd number of 16-byte units: no bank conflicts

// Offsets in shared memory: the weight's stages, the features, the input.
template <int P, class Tile>
struct SharedLayout {
  static constexpr int kFeatureRows = Tile::kRows + P - 1, kFeatureColumns = Tile::kColumns + P - 1;
  static constexpr int kFeaturePixels = kFeatureRows * kFeatureColumns;
  static constexpr int kStage = kTaps * kGroup * kStageBytes;
  static constexpr int kWeight = Tile::kStages * kStage;
  static constexpr int kInput = InputTile<Tile::kRows, Tile::kColumns>::bytes(kGroup);
  // With p = 1 the products are so short that x is fetched beside them. With p = 3 it takes the place of the
  // weight, and two blocks fit on a multiprocessor.
  static constexpr bool kInputApart = P == 1;
  static_assert(kInputApart || kInput <= kWeight);

  __host__ __device__ static constexpr int features() { return kWeight + (kInputApart ? kInput : 0); }
  __host__ __device__ static constexpr int input() { return kInputApart ? kWeight : 0; }
  __host__ __device__ static constexpr int bytes(int block_bytes) {
    return features() + kFeaturePixels * (block_bytes + kPitchPadding);
  }
};

struct PredictorParameters {
  const void* x;
  const void* h;
  const void* weight;
  const float* weight_scale;  // for 8-bit weights
  const void* bias;
  const void* scale;
  const void* shift;
  void* y;
  int n, channels, features, height, width;
  float h_scale, y_scale;  // y_scale is 0 if y is not quantized
  Layout h_layout, y_layout;
  Type h_type;
  int feature_bytes;    // of all features of a pixel, as the product reads them
  int block_bytes;      // of the features that are in shared memory at a time, a multiple of kStepBytes
  bool whole_segments;  // rows of the weight are multiples of 16 bytes
  int column_tiles, tiles;
  int groups, groups_per_block, group_chunks;
  bool groups_first;  // neighboring blocks share pixels rather than weights
};

}  // namespace layoutrt::cuda
