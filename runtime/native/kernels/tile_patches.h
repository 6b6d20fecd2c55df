// The 6x6 patches around the 4x4-pixel tiles of an image, with one tile in each lane.
//
// Tiles are numbered row by row, so the tiles of a vector are runs within rows of tiles. A plane is first
// split by its columns modulo 4; then the same pixel of neighboring tiles lies side by side.
#pragma once

#include "kernels/interleave.h"
#include "kernels/simd.h"
#include "kernels/winograd.h"

namespace layoutrt::kernels::LRT_ISA {

// The tiles of one vector that lie in one row of tiles.
struct TileRun {
  int64_t row;     // of tiles
  int64_t column;  // of tiles
  int64_t lane;    // of the first tile
  int64_t count;
};

// Tiles [begin, end) of an image.
struct TileGrid {
  int64_t height, width;  // of the image
  int64_t columns;        // of tiles
  int64_t begin, end;
  int64_t first_row;  // of tiles
  int64_t rows;       // of tiles
  int64_t pitch;      // of a row of one phase
  int64_t vectors;

  int64_t strip_rows() const { return kTileSize * rows + kPatchSize - kTileSize; }
  // From any tile on a whole vector may be read.
  int64_t strip_size() const { return strip_rows() * kTileSize * pitch + kLanes; }
  int64_t line_size() const { return kTileSize * pitch; }
};

LRT_INLINE TileGrid make_grid(int64_t height, int64_t width, int64_t begin, int64_t end) {
  TileGrid grid;
  grid.height = height;
  grid.width = width;
  grid.columns = (width + kTileSize - 1) / kTileSize;
  grid.begin = begin;
  grid.end = end;
  grid.first_row = begin / grid.columns;
  grid.rows = (end - 1) / grid.columns + 1 - grid.first_row;
  grid.pitch = round_up(grid.columns + 1, kLanes);
  grid.vectors = (end - begin + kLanes - 1) / kLanes;
  return grid;
}

// The runs of a vector of tiles; returns how many.
LRT_INLINE int find_runs(const TileGrid& grid, int64_t vector, TileRun (&runs)[kLanes]) {
  const int64_t first = grid.begin + vector * kLanes;
  const int64_t count = smaller<int64_t>(kLanes, grid.end - first);
  int found = 0;
  for (int64_t lane = 0; lane < count; ++found) {
    TileRun& run = runs[found];
    run.row = (first + lane) / grid.columns;
    run.column = (first + lane) % grid.columns;
    run.lane = lane;
    run.count = smaller(grid.columns - run.column, count - lane);
    lane += run.count;
  }
  return found;
}

// strip[r][s][i] = scale * plane[4 * first_row - 1 + r, 4 * i - 1 + s] + shift inside the image, 0 outside.
template <bool Affine>
void split_plane(const TileGrid& grid, const float* plane, float scale, float shift, float* strip) {
  Bits columns[kTileSize];  // of the image, in each phase of a vector of tiles
  for (int s = 0; s < kTileSize; ++s) {
    for (int i = 0; i < kLanes; ++i) columns[s][i] = kTileSize * i + s - 1;
  }
  const int64_t size = grid.height * grid.width;
  store(strip + grid.strip_rows() * grid.line_size(), Vector{});
  for (int64_t r = 0; r < grid.strip_rows(); ++r, strip += grid.line_size()) {
    const int64_t row = kTileSize * grid.first_row - 1 + r;
    if (row < 0 || row >= grid.height) {
      for (int64_t i = 0; i < grid.line_size(); i += kLanes) store(strip + i, Vector{});
      continue;
    }
    for (int64_t i = 0; i < grid.pitch; i += kLanes) {
      const int64_t column = kTileSize * i - 1;
      const int64_t first = row * grid.width + column;
      const float* from = plane + first;
      // Beyond its row a pixel is masked away below; beyond the plane it must not even be read.
      float edge[kTileSize * kLanes];
      if (first < 0 || first + kTileSize * kLanes > size) {
        for (int j = 0; j < kTileSize * kLanes; ++j) {
          edge[j] = first + j >= 0 && first + j < size ? from[j] : 0.0f;
        }
        from = edge;
      }
      Vector phases[kTileSize];
      split_by_four(from, phases);
      const bool inside = column >= 0 && column + kTileSize * kLanes <= grid.width;
      const auto offset = static_cast<int32_t>(kTileSize * i);
      const auto left = static_cast<int32_t>(grid.width) - offset;
      for (int s = 0; s < kTileSize; ++s) {
        if (Affine) phases[s] = scale * phases[s] + shift;
        if (!inside) phases[s] = masked(phases[s], (columns[s] >= -offset) & (columns[s] < left));
        store(strip + s * grid.pitch + i, phases[s]);
      }
    }
  }
}

// The patches of one vector of tiles: pixel (a, b), with a and b in [0, 6), is the vector at
// pixels + a * row + column[b].
struct Patch {
  const float* pixels;
  int64_t row;
  int64_t column[kPatchSize];

  const float* at(int a, int b) const { return pixels + a * row + column[b]; }
};

constexpr int64_t kPatchCopy = (kPatchSize * kPatchSize + 1) * kLanes;  // floats

// Tiles of one run are read from the strip; several runs are put together in `copy`, of kPatchCopy floats.
// Lanes without a tile hold anything.
LRT_INLINE Patch find_patch(const TileGrid& grid, const float* strip, const TileRun* runs, int count,
                            float* copy) {
  Patch patch;
  patch.pixels = strip + (runs[0].row - grid.first_row) * kTileSize * grid.line_size() + runs[0].column;
  patch.row = grid.line_size();
  for (int b = 0; b < kPatchSize; ++b) patch.column[b] = b % kTileSize * grid.pitch + b / kTileSize;
  if (count == 1) return patch;
  float* to = copy;
  for (int a = 0; a < kPatchSize; ++a) {
    for (int b = 0; b < kPatchSize; ++b, to += kLanes) {
      // Whole vectors: what a run writes too much, the next run or the next pixel overwrites.
      for (int i = 0; i < count; ++i) {
        const int64_t down = (runs[i].row - runs[0].row) * kTileSize * patch.row;
        store(to + runs[i].lane, load(patch.at(a, b) + down + runs[i].column - runs[0].column));
      }
    }
  }
  patch.pixels = copy;
  patch.row = kPatchSize * kLanes;
  for (int b = 0; b < kPatchSize; ++b) patch.column[b] = b * kLanes;
  return patch;
}

}  // namespace layoutrt::kernels::LRT_ISA
