// The 6x6 patches around the 4x4-pixel tiles of an image, with one tile in each lane.
//
// Tiles are numbered row by row, so the tiles of a vector are runs within rows of tiles. A plane is first
// split by its columns modulo 4; then the same pixel of neighbouring tiles lies side by side.
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
  int64_t pitch;      // of a row of one phase: whole vectors may be read from any tile on
  int64_t vectors;

  int64_t strip_rows() const { return kTileSize * rows + kPatchSize - kTileSize; }
  int64_t strip_size() const { return strip_rows() * kTileSize * pitch; }
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
  grid.pitch = round_up(grid.columns + 1, kLanes) + kLanes;
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
// `line` holds TileGrid::line_size() floats.
LRT_INLINE void split_plane(const TileGrid& grid, const float* plane, const float* scale, const float* shift,
                            float* line, float* strip) {
  const int64_t size = grid.line_size();
  for (int64_t i = 0; i < size; ++i) line[i] = 0.0f;
  for (int64_t r = 0; r < grid.strip_rows(); ++r) {
    float* to = strip + r * size;
    const int64_t row = kTileSize * grid.first_row - 1 + r;
    if (row < 0 || row >= grid.height) {
      for (int64_t i = 0; i < size; ++i) to[i] = 0.0f;
      continue;
    }
    const float* from = plane + row * grid.width;
    if (scale != nullptr) {
      const float a = *scale;
      const float b = *shift;
      for (int64_t j = 0; j < grid.width; ++j) line[1 + j] = a * from[j] + b;
    } else {
      for (int64_t j = 0; j < grid.width; ++j) line[1 + j] = from[j];
    }
    for (int64_t i = 0; i < grid.pitch; i += kLanes) split_by_four(line + kTileSize * i, to + i, grid.pitch);
  }
}

// patch[a][b][lane] for a, b in [0, 6): 36 vectors, and room for one more. Lanes without a tile hold
// anything.
LRT_INLINE void copy_patch(const TileGrid& grid, const float* strip, const TileRun* runs, int count,
                           float* patch) {
  for (int a = 0; a < kPatchSize; ++a) {
    for (int b = 0; b < kPatchSize; ++b, patch += kLanes) {
      // Whole vectors: what a run writes too much, the next run or the next pixel overwrites.
      for (int i = 0; i < count; ++i) {
        const int64_t row = kTileSize * (runs[i].row - grid.first_row) + a;
        const float* from = strip + (row * kTileSize + b % kTileSize) * grid.pitch + b / kTileSize;
        store(patch + runs[i].lane, load(from + runs[i].column));
      }
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
