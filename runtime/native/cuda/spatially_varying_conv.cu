// SpatiallyVaryingConv: every kernel w is read once and never again, so this is a copy of w through the
// multiprocessors. A thread computes the pixels of one 16-byte vector: it asks for the vectors of w first
// (nine of them for k = 3), and while they come the block puts its part of x, affine applied, into shared
// memory.
//
// From shared memory a row of x costs a thread three or four 16-byte reads, whatever k is, and neither a
// check of bounds nor the affine. From the cache it would cost a 16-byte read and k - 1 single ones, each
// with both.
#include <device/launch.cuh>

#include "device_limits.cuh"
#include "elements.cuh"
#include "operators.h"

namespace layoutrt::cuda {
namespace {

constexpr int kThreads = 256;

// Columns left and right of a tile's in shared memory: at least k / 2, and vectors stay aligned.
constexpr int kMargin = 4;

struct Parameters {
  SpatiallyVaryingConv op;
  // A block has 2^log_columns vectors x 2^log_rows rows of as many planes as threads are left for.
  int log_columns, log_rows, column_tiles, row_tiles;
};

// The rows of x under a tile, zero outside of the image.
template <class T, int K, int V>
__device__ void load_x(float* tile, const Parameters& p, int64_t first_plane, int row0, int column0) {
  const SpatiallyVaryingConv& op = p.op;
  constexpr int kSide = V == 1 ? K / 2 : 1;  // vectors left and right
  const int columns = 1 << p.log_columns, pitch = columns * V + 2 * kMargin;
  const int rows = (1 << p.log_rows) + K - 1, vectors = columns + 2 * kSide;
  const int planes = kThreads >> (p.log_columns + p.log_rows);
  const int64_t all_planes = static_cast<int64_t>(op.n) * op.channels;
  for (int item = threadIdx.x; item < planes * rows * vectors; item += kThreads) {
    const int vector = item % vectors, line = item / vectors;
    const int64_t plane = first_plane + line / rows;
    const int row = row0 + line % rows - K / 2, column = column0 + (vector - kSide) * V;
    float values[V] = {};
    if (plane < all_planes && row >= 0 && row < op.height && column >= 0 && column < op.width) {
      const T* x = static_cast<const T*>(op.x) + (plane * op.height + row) * op.width + column;
      unpack(__ldg(reinterpret_cast<const Bits<T, V>*>(x)), values);
      if (op.scale != nullptr) {
        const int channel = static_cast<int>(plane % op.channels);
        const float scale = to_float(static_cast<const T*>(op.scale)[channel]);
        const float shift = to_float(static_cast<const T*>(op.shift)[channel]);
#pragma unroll
        for (int v = 0; v < V; ++v) values[v] = fmaf(values[v], scale, shift);
      }
    }
    const int to = kMargin + (vector - kSide) * V;
#pragma unroll
    for (int v = 0; v < V; ++v) {
      if (to + v >= 0 && to + v < pitch) tile[line * pitch + to + v] = values[v];
    }
  }
}

template <class T, int K, int V>
__global__ void __launch_bounds__(kThreads, K <= 3   ? 3
                                            : K == 5 ? 2
                                                     : 1) convolve(Parameters p) {
  const SpatiallyVaryingConv& op = p.op;
  float* tile = reinterpret_cast<float*>(shared_memory());
  const int columns = 1 << p.log_columns, pitch = columns * V + 2 * kMargin;
  const int planes = kThreads >> (p.log_columns + p.log_rows);
  const int tiles = p.column_tiles * p.row_tiles, which = static_cast<int>(blockIdx.x % tiles);
  const int row0 = (which / p.column_tiles) << p.log_rows;
  const int column0 = (which % p.column_tiles) * columns * V;
  const int64_t first_plane = static_cast<int64_t>(blockIdx.x / tiles) * planes;

  const int x = static_cast<int>(threadIdx.x) & (columns - 1);
  const int y = (static_cast<int>(threadIdx.x) >> p.log_columns) & ((1 << p.log_rows) - 1);
  const int z = static_cast<int>(threadIdx.x) >> (p.log_columns + p.log_rows);
  const int row = row0 + y, column = column0 + x * V;
  const int64_t plane = first_plane + z;
  const bool inside =
      row < op.height && column < op.width && plane < static_cast<int64_t>(op.n) * op.channels;

  const int64_t pixels = static_cast<int64_t>(op.height) * op.width;
  const int64_t pixel = static_cast<int64_t>(row) * op.width + column;
  const T* w = static_cast<const T*>(op.w) + plane * (K * K) * pixels + pixel;
  constexpr int kAhead = K <= 3 ? K : 2;  // rows of the kernel that are asked for before they are used
  Bits<T, V> taps[kAhead][K];
  const auto request = [&](int tap_row) {
#pragma unroll
    for (int tap = 0; tap < K; ++tap) {
      const T* from = w + (tap_row * K + tap) * pixels;
      if (inside) taps[tap_row % kAhead][tap] = __ldcs(reinterpret_cast<const Bits<T, V>*>(from));
    }
  };
#pragma unroll
  for (int tap_row = 0; tap_row < kAhead; ++tap_row) request(tap_row);

  load_x<T, K, V>(tile, p, first_plane, row0, column0);
  __syncthreads();
  if (!inside) return;

  float sums[V] = {};
  const float* line = tile + (z * ((1 << p.log_rows) + K - 1) + y) * pitch + x * V;
#pragma unroll
  for (int tap_row = 0; tap_row < K; ++tap_row) {
    float window[V + 2 * kMargin];
    if constexpr (V == 1) {
#pragma unroll
      for (int i = kMargin - K / 2; i <= kMargin + K / 2; ++i) window[i] = line[tap_row * pitch + i];
    } else {
#pragma unroll
      for (int i = 0; i < V + 2 * kMargin; i += 4) {
        const float4 four = *reinterpret_cast<const float4*>(line + tap_row * pitch + i);
        window[i] = four.x;
        window[i + 1] = four.y;
        window[i + 2] = four.z;
        window[i + 3] = four.w;
      }
    }
#pragma unroll
    for (int tap = 0; tap < K; ++tap) {
      float kernel[V];
      unpack(taps[tap_row % kAhead][tap], kernel);
#pragma unroll
      for (int v = 0; v < V; ++v) sums[v] = fmaf(kernel[v], window[kMargin - K / 2 + tap + v], sums[v]);
    }
    if (tap_row + kAhead < K) request(tap_row + kAhead);
  }
  pack_store(static_cast<T*>(op.y) + plane * pixels + pixel, sums);
}

int log2_up(int64_t count, int most) {
  int log = 0;
  while (log < most && (int64_t{1} << log) < count) ++log;
  return log;
}

template <class T, int K, int V>
cudaError_t launch_tiles(const SpatiallyVaryingConv& op, cudaStream_t stream) {
  Parameters p{op, 0, 0, 0, 0};
  // A warp reads 512 bytes of a row of w at a time, or as much as there is.
  p.log_columns = log2_up(divide_up(op.width, V), 5);
  // Images of a few pixels are many to a block, each with all of its margin: two rows at least keep k = 7
  // within the 99 KiB of a block on 8.6, 8.9 and 12.0.
  const int height = K == 7 && op.height < 2 ? 2 : op.height;
  p.log_rows = log2_up(height, 8 - p.log_columns);
  const int columns = V << p.log_columns, rows = 1 << p.log_rows;
  const int planes = kThreads >> (p.log_columns + p.log_rows);
  p.column_tiles = static_cast<int>(divide_up(op.width, columns));
  p.row_tiles = static_cast<int>(divide_up(op.height, rows));
  const int64_t groups = divide_up(static_cast<int64_t>(op.n) * op.channels, planes);
  const int64_t blocks = groups * p.column_tiles * p.row_tiles;
  if (!fits_grid(blocks)) return cudaErrorInvalidValue;
  const size_t shared = sizeof(float) * planes * (rows + K - 1) * (columns + 2 * kMargin);
  return launch_kernel(convolve<T, K, V>, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), shared, stream,
                       p);
}

template <class T, int K>
cudaError_t launch_kernel_size(const SpatiallyVaryingConv& op, cudaStream_t stream) {
  const bool aligned = is_aligned(op.x, 16) && is_aligned(op.w, 16) && is_aligned(op.y, 16);
  if (aligned && op.width % kVector<T> == 0) return launch_tiles<T, K, kVector<T>>(op, stream);
  return launch_tiles<T, K, 1>(op, stream);
}

template <class T>
cudaError_t launch_type(const SpatiallyVaryingConv& op, cudaStream_t stream) {
  switch (op.k) {
    case 1: return launch_kernel_size<T, 1>(op, stream);
    case 3: return launch_kernel_size<T, 3>(op, stream);
    case 5: return launch_kernel_size<T, 5>(op, stream);
    case 7: return launch_kernel_size<T, 7>(op, stream);
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace

cudaError_t launch(const SpatiallyVaryingConv& op, cudaStream_t stream) {
  if (op.n < 0 || op.channels < 0 || op.height < 0 || op.width < 0) return cudaErrorInvalidValue;
  if ((op.scale == nullptr) != (op.shift == nullptr)) return cudaErrorInvalidValue;
  if (op.k < 1 || op.k > 7 || op.k % 2 == 0) return cudaErrorInvalidValue;
  if (op.type != Type::kFloat && op.type != Type::kHalf) return cudaErrorInvalidValue;
  if (op.n == 0 || op.channels == 0 || op.height == 0 || op.width == 0) return cudaSuccess;
  return op.type == Type::kFloat ? launch_type<float>(op, stream) : launch_type<__half>(op, stream);
}

}  // namespace layoutrt::cuda
