// PredictedConv with a 3x3 predictor by Winograd's F(4x4, 3x3): a quarter of the direct multiplications.
//
// The lanes of a vector are tiles. The patches of h are transformed once for a part; then, for a few channels
// at a time, their kernels are transformed, and for each of the 36 components nine taps are multiplied with a
// block of tiles: a small matrix product whose features stay in the first-level cache while the channels
// pass. The nine predicted kernels of a tile are transformed back and applied to x on the spot.
//
// The algorithm and its matrices are those of Lavin & Gray (2015, arXiv 1509.09308). In float32, with 128
// features, results differ from exact ones by up to 6e-6 of the largest, or 3e-7 of the sum of the magnitudes
// that they add up.

#include "kernels/interleave.h"
#include "kernels/kernels.h"
#include "kernels/predict.h"
#include "kernels/simd.h"
#include "kernels/tile_patches.h"
#include "kernels/winograd.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

constexpr int64_t kGroup = 2;       // channels that pass over one component of a block
constexpr int64_t kOddLines = 16;   // floats between components, so that they fall into different cache sets
constexpr int kKernelSize = kTaps;  // values of a 3x3 kernel of the predictor

// Floats of the transformed kernels of kLanes features of one channel: [36, 9, kLanes].
constexpr int64_t kKernelBlock = kComponents * kTaps * kLanes;

struct Layout {
  TileGrid grid;
  int64_t features;
  int64_t feature_blocks;  // of kLanes features
  int64_t kernels;         // floats of one channel's kernels
  int64_t products;        // floats of one channel's products of a block: [kVectors, 9, 36, kLanes]
  int64_t transformed;     // floats of the transformed h
};

// Distance between the components of a block of h: [features, vectors * kLanes].
LRT_INLINE int64_t slab_size(int64_t features, int vectors) {
  return features * vectors * kLanes + kOddLines;
}

// Vectors of the next block. Four are better cut into two and two than into three and one.
LRT_INLINE int block_vectors(int64_t remaining) {
  if (remaining == 4) return 2;
  return static_cast<int>(smaller<int64_t>(remaining, kVectors));
}

Layout make_layout(const PredictedConv& conv, const TileRange& range) {
  Layout layout;
  layout.grid = make_grid(conv.height, conv.width, range.tile_begin, range.tile_end);
  layout.features = conv.features;
  layout.feature_blocks = (conv.features + kLanes - 1) / kLanes;
  layout.kernels = layout.feature_blocks * kKernelBlock;
  layout.products = kVectors * kTaps * kComponents * kLanes;
  layout.transformed = 0;
  for (int64_t v = 0; v < layout.grid.vectors;) {
    const int vectors = block_vectors(layout.grid.vectors - v);
    layout.transformed += kComponents * slab_size(conv.features, vectors);
    v += vectors;
  }
  return layout;
}

// to[block][component][feature][lane] of all features of one image.
void transform_features(const Layout& layout, const float* h, float* strip, float* copy, float* to) {
  const TileGrid& grid = layout.grid;
  for (int64_t feature = 0; feature < layout.features; ++feature) {
    split_plane<false>(grid, h + feature * grid.height * grid.width, 1.0f, 0.0f, strip);
    float* block = to;
    for (int64_t first = 0; first < grid.vectors;) {
      const int vectors = block_vectors(grid.vectors - first);
      const int64_t slab = slab_size(layout.features, vectors);
      for (int v = 0; v < vectors; ++v) {
        TileRun runs[kLanes];
        const int count = find_runs(grid, first + v, runs);
        const Patch patch = find_patch(grid, strip, runs, count, copy);
        Vector rows[kPatchSize][kPatchSize];
#pragma GCC unroll 6
        for (int b = 0; b < kPatchSize; ++b) {
          Vector in[kPatchSize], out[kPatchSize];
          for (int a = 0; a < kPatchSize; ++a) in[a] = load(patch.at(a, b));
          transform_input(in, out);
          for (int a = 0; a < kPatchSize; ++a) rows[a][b] = out[a];
        }
        float* target = block + (feature * vectors + v) * kLanes;
#pragma GCC unroll 6
        for (int a = 0; a < kPatchSize; ++a) {
          Vector out[kPatchSize];
          transform_input(rows[a], out);
          for (int b = 0; b < kPatchSize; ++b) store(target + (a * kPatchSize + b) * slab, out[b]);
        }
      }
      block += kComponents * slab;
      first += vectors;
    }
  }
}

// g[dy][dx][i] = from[i][dy][dx] for kLanes kernels.
LRT_INLINE void split_kernels(const float* from, Vector (&g)[3][3]) {
  Vector columns[3][3];  // [third of the kernels][dx]
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i, from += 3 * kLanes) {
    split_by_three(load(from), load(from + kLanes), load(from + 2 * kLanes), columns[i]);
  }
#pragma GCC unroll 3
  for (int dx = 0; dx < 3; ++dx) {
    Vector rows[3];
    split_by_three(columns[0][dx], columns[1][dx], columns[2][dx], rows);
    for (int dy = 0; dy < 3; ++dy) g[dy][dx] = rows[dy];
  }
}

// to[block of features][component][tap][feature in block] of one channel.
void transform_kernels(const Layout& layout, const float* weight, float* to) {
  for (int64_t block = 0; block < layout.feature_blocks; ++block, to += kKernelBlock) {
    const int64_t first = block * kLanes;
    const int64_t count = smaller<int64_t>(layout.features - first, kLanes) * kKernelSize;
    for (int tap = 0; tap < kTaps; ++tap) {
      const float* from = weight + (tap * layout.features + first) * kKernelSize;
      float last[kKernelSize * kLanes];
      if (count < kKernelSize * kLanes) {
        for (int64_t i = 0; i < count; ++i) last[i] = from[i];
        for (int64_t i = count; i < kKernelSize * kLanes; ++i) last[i] = 0.0f;
        from = last;
      }
      Vector g[3][3];
      split_kernels(from, g);
      Vector rows[kPatchSize][3];
#pragma GCC unroll 3
      for (int b = 0; b < 3; ++b) {
        const Vector in[3] = {g[0][b], g[1][b], g[2][b]};
        Vector out[kPatchSize];
        transform_kernel(in, out);
        for (int a = 0; a < kPatchSize; ++a) rows[a][b] = out[a];
      }
      float* target = to + tap * kLanes;
#pragma GCC unroll 6
      for (int a = 0; a < kPatchSize; ++a) {
        Vector out[kPatchSize];
        transform_kernel(rows[a], out);
        for (int b = 0; b < kPatchSize; ++b) {
          store(target + (a * kPatchSize + b) * kTaps * kLanes, out[b]);
        }
      }
    }
  }
}

// products[v][first + t][.][lane] = sum over features of kernel * h, for one component and T taps.
template <int T, int V>
LRT_INLINE void multiply_taps(int64_t features, const float* h, const float* kernels, float* products) {
  Vector acc[T][V] = {};
  for (; features > 0; features -= kLanes, kernels += kKernelBlock) {
    const int64_t count = smaller<int64_t>(features, kLanes);
#pragma GCC unroll 1
    for (int64_t i = 0; i < count; ++i, h += V * kLanes) accumulate<T, V>(acc, h, kernels + i, kLanes);
  }
#pragma GCC unroll 9
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) store(products + (v * kTaps + t) * kComponents * kLanes, acc[t][v]);
  }
}

template <int V>
void multiply(int64_t features, const float* h, const float* kernels, float* products) {
#pragma GCC unroll 1
  for (int first = 0; first < kTaps; first += kTapsAtOnce) {
    multiply_taps<kTapsAtOnce, V>(features, h, kernels + first * kLanes,
                                  products + first * kComponents * kLanes);
  }
}

// y[i][j][lane] = sum over taps of (predicted weight + bias) * x for the 16 pixels of one vector of tiles.
void apply(const float* products, const float* bias, const Patch& patch, Vector (&y)[kTileSize][kTileSize]) {
  for (auto& row : y) {
    for (Vector& pixel : row) pixel = Vector{};
  }
#pragma GCC unroll 1
  for (int tap = 0; tap < kTaps; ++tap, products += kComponents * kLanes) {
    Vector rows[kTileSize][kPatchSize];
#pragma GCC unroll 6
    for (int b = 0; b < kPatchSize; ++b) {
      Vector in[kPatchSize], out[kTileSize];
      for (int a = 0; a < kPatchSize; ++a) in[a] = load(products + (a * kPatchSize + b) * kLanes);
      transform_output(in, Vector{}, out);
      for (int i = 0; i < kTileSize; ++i) rows[i][b] = out[i];
    }
    const Vector added = broadcast(bias[tap]);
    const int dy = tap / 3;
    const int dx = tap % 3;
#pragma GCC unroll 4
    for (int i = 0; i < kTileSize; ++i) {
      Vector out[kTileSize];
      transform_output(rows[i], added, out);
      for (int j = 0; j < kTileSize; ++j) y[i][j] += out[j] * load(patch.at(i + dy, j + dx));
    }
  }
}

// The pixels of one vector of tiles, as far as they lie in the image.
void write_tiles(const TileGrid& grid, const TileRun* runs, int count,
                 const Vector (&y)[kTileSize][kTileSize], float* plane) {
  float line[kTileSize * kLanes];
  for (int i = 0; i < kTileSize; ++i) {
    join_by_four(y[i], line);
    for (int r = 0; r < count; ++r) {
      const int64_t row = runs[r].row * kTileSize + i;
      if (row >= grid.height) continue;
      const int64_t column = runs[r].column * kTileSize;
      const int64_t pixels = smaller(runs[r].count * kTileSize, grid.width - column);
      __builtin_memcpy(plane + row * grid.width + column, line + runs[r].lane * kTileSize,
                       static_cast<size_t>(pixels) * sizeof(float));
    }
  }
}

// Offsets in the scratch memory, in floats.
struct Offsets {
  int64_t copy;      // of a patch
  int64_t strips;    // of kGroup planes
  int64_t products;  // of kGroup channels
  int64_t kernels;   // of kGroup channels
  int64_t features;
  int64_t end;
};

Offsets divide(const Layout& layout) {
  Offsets offsets;
  offsets.copy = 0;
  offsets.strips = offsets.copy + kPatchCopy;
  offsets.products = offsets.strips + round_up(kGroup * layout.grid.strip_size(), kOddLines);
  offsets.kernels = offsets.products + kGroup * layout.products;
  offsets.features = offsets.kernels + kGroup * layout.kernels;
  offsets.end = offsets.features + layout.transformed;
  return offsets;
}

// Fetches part number `part` of `parts` of a range of floats into the second-level cache.
LRT_INLINE void prefetch(const float* from, int64_t floats, int part, int parts) {
  constexpr int64_t kLine = 64 / sizeof(float);
  for (int64_t i = floats * part / parts; i < floats * (part + 1) / parts; i += kLine) {
    __builtin_prefetch(from + i, 0, 2);
  }
}

}  // namespace

size_t predicted_conv_winograd_scratch(const PredictedConv& conv, const TileRange& range) {
  return static_cast<size_t>(divide(make_layout(conv, range)).end) * sizeof(float);
}

void predicted_conv_winograd(const PredictedConv& conv, int64_t image, const TileRange& range,
                             float* scratch) {
  const Layout layout = make_layout(conv, range);
  const Offsets offsets = divide(layout);
  float* copy = scratch + offsets.copy;
  float* strips = scratch + offsets.strips;
  float* products = scratch + offsets.products;
  float* kernels = scratch + offsets.kernels;
  float* features = scratch + offsets.features;
  const TileGrid& grid = layout.grid;
  const int64_t plane_size = conv.height * conv.width;
  const int64_t weights = kTaps * conv.features * kKernelSize;  // of a channel
  transform_features(layout, conv.h + image * conv.features * plane_size, strips, copy, features);
  for (int64_t c = range.channel_begin; c < range.channel_end; c += kGroup) {
    const int64_t group = smaller(kGroup, range.channel_end - c);
    for (int64_t i = 0; i < group; ++i) {
      const float* x = conv.x + (image * conv.channels + c + i) * plane_size;
      float* strip = strips + i * grid.strip_size();
      if (conv.scale != nullptr) {
        split_plane<true>(grid, x, conv.scale[c + i], conv.shift[c + i], strip);
      } else {
        split_plane<false>(grid, x, 1.0f, 0.0f, strip);
      }
      transform_kernels(layout, conv.weight + (c + i) * weights, kernels + i * layout.kernels);
    }
    const float* h = features;
    for (int64_t first = 0; first < grid.vectors;) {
      const int vectors = block_vectors(grid.vectors - first);
      const auto multiply_block = vectors == 3 ? multiply<3> : vectors == 2 ? multiply<2> : multiply<1>;
      for (int e = 0; e < kComponents; ++e, h += slab_size(conv.features, vectors)) {
        // With few tiles, waiting for the next weights would show.
        if (first == 0) {
          const int64_t next = smaller(kGroup, range.channel_end - c - group);
          prefetch(conv.weight + (c + group) * weights, next * weights, e, kComponents);
        }
        for (int64_t i = 0; i < group; ++i) {
          multiply_block(conv.features, h, kernels + i * layout.kernels + e * kTaps * kLanes,
                         products + i * layout.products + e * kLanes);
        }
      }
      for (int v = 0; v < vectors; ++v) {
        TileRun runs[kLanes];
        const int count = find_runs(grid, first + v, runs);
        for (int64_t i = 0; i < group; ++i) {
          const Patch x = find_patch(grid, strips + i * grid.strip_size(), runs, count, copy);
          Vector y[kTileSize][kTileSize];
          apply(products + i * layout.products + v * kTaps * kComponents * kLanes,
                conv.bias + (c + i) * kTaps, x, y);
          write_tiles(grid, runs, count, y, conv.y + (image * conv.channels + c + i) * plane_size);
        }
      }
      first += vectors;
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
