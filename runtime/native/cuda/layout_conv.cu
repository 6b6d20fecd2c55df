// LayoutConv: what it writes is all that counts, the table stays in the caches. A thread computes 8 channels
// of 2 neighboring pixels: it reads a table row's 8 channels at once (lanes over one label read the same 16
// or 32 bytes), and a warp writes whole 128-byte lines of every channel. Where both pixels have the same
// labels under all taps, which is most of a layout, they are computed once.
#include <device/launch.cuh>

#include "device_limits.cuh"
#include "elements.cuh"
#include "operators.h"

namespace layoutrt::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChannels = 8;  // of a thread

struct Parameters {
  LayoutConv op;
  int out_height, out_width;
  // A block has 2^log_pairs pairs of pixels x 2^log_rows rows, and as many groups of 8 channels at a time as
  // threads are left for; it does `groups_per_block`.
  int log_pairs, log_rows, column_tiles, row_tiles;
  int groups, groups_per_block, group_chunks;
};

// First element of the label's rows in the table, or -1 for a label that adds nothing.
__device__ inline int table_offset(const LayoutConv& op, int64_t image, int row, int column) {
  if (row < 0 || row >= op.height || column < 0 || column >= op.width) return -1;
  const int64_t pixel = (image * op.height + row) * op.width + column;
  const int label = op.label_type == Type::kUint8 ? static_cast<const uint8_t*>(op.labels)[pixel]
                                                  : static_cast<const int32_t*>(op.labels)[pixel];
  return label >= 0 && label < op.count ? label * op.k * op.k * op.channels : -1;
}

// Channels `channel` to `channel` + 7 of a row of the table; zero past the last.
template <class T, bool kWhole>
__device__ inline void load_row(const T* row, int left, float (&values)[kChannels]) {
  if constexpr (!kWhole) {
#pragma unroll
    for (int i = 0; i < kChannels; ++i) values[i] = i < left ? to_float(__ldg(row + i)) : 0.0f;
  } else if constexpr (std::is_same_v<T, __half>) {
    unpack(__ldg(reinterpret_cast<const uint4*>(row)), values);
  } else {
    float low[4], high[4];
    unpack(__ldg(reinterpret_cast<const uint4*>(row)), low);
    unpack(__ldg(reinterpret_cast<const uint4*>(row) + 1), high);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      values[i] = low[i];
      values[i + 4] = high[i];
    }
  }
}

template <class T, bool kWhole>
__device__ inline void add_row(const T* table, int offset, int left, float (&sums)[kChannels]) {
  if (offset < 0) return;
  float values[kChannels];
  load_row<T, kWhole>(table + offset, left, values);
#pragma unroll
  for (int i = 0; i < kChannels; ++i) sums[i] += values[i];
}

// K is the kernel size where it is known here, else 0; kWhole says that no group of channels and no pair of
// pixels is cut.
template <class T, int K, bool kWhole>
__global__ void __launch_bounds__(kThreads, kWhole ? 3 : 2) look_up(Parameters p) {
  const LayoutConv& op = p.op;
  int* offsets = reinterpret_cast<int*>(shared_memory());
  const int k = K == 0 ? op.k : K, stride = op.stride;
  const int pairs = 1 << p.log_pairs, rows = 1 << p.log_rows;
  const int tiles = p.column_tiles * p.row_tiles;
  const int tile = static_cast<int>(blockIdx.x % tiles), rest = static_cast<int>(blockIdx.x / tiles);
  const int64_t image = rest / p.group_chunks;
  const int first_group = rest % p.group_chunks * p.groups_per_block;
  const int row0 = (tile / p.column_tiles) << p.log_rows, column0 = (tile % p.column_tiles) * 2 * pairs;

  const int label_rows = (rows - 1) * stride + k, label_columns = (2 * pairs - 1) * stride + k;
  for (int item = threadIdx.x; item < label_rows * label_columns; item += kThreads) {
    offsets[item] = table_offset(op, image, row0 * stride - k / 2 + item / label_columns,
                                 column0 * stride - k / 2 + item % label_columns);
  }
  __syncthreads();

  const int pair = static_cast<int>(threadIdx.x) & (pairs - 1);
  const int y = (static_cast<int>(threadIdx.x) >> p.log_pairs) & (rows - 1);
  const int slot = static_cast<int>(threadIdx.x) >> (p.log_pairs + p.log_rows);
  const int slots = kThreads >> (p.log_pairs + p.log_rows);
  const int row = row0 + y, column = column0 + 2 * pair;
  if (row >= p.out_height || column >= p.out_width) return;

  const int* under = offsets + y * stride * label_columns + 2 * pair * stride;
  bool same = true;
#pragma unroll
  for (int tap = 0; tap < k * k; ++tap) {
    const int* at = under + tap / k * label_columns + tap % k;
    same = same && at[0] == at[stride];
  }

  const int last_group = min(first_group + p.groups_per_block, p.groups);
  for (int group = first_group + slot; group < last_group; group += slots) {
    const int channel = group * kChannels, left = op.channels - channel;
    const T* table = static_cast<const T*>(op.table) + channel;
    float a[kChannels], b[kChannels];
    load_row<T, kWhole>(static_cast<const T*>(op.bias) + channel, left, a);
#pragma unroll
    for (int i = 0; i < kChannels; ++i) b[i] = a[i];
#pragma unroll
    for (int tap = 0; tap < k * k; ++tap) {
      const int* at = under + tap / k * label_columns + tap % k;
      add_row<T, kWhole>(table + tap * op.channels, at[0], left, a);
      if (!same) add_row<T, kWhole>(table + tap * op.channels, at[stride], left, b);
    }
    if (same) {
#pragma unroll
      for (int i = 0; i < kChannels; ++i) b[i] = a[i];
    }
    T* to =
        static_cast<T*>(op.y) + ((image * op.channels + channel) * p.out_height + row) * p.out_width + column;
    const int64_t plane = static_cast<int64_t>(p.out_height) * p.out_width;
#pragma unroll
    for (int i = 0; i < kChannels; ++i) {
      if constexpr (kWhole) {
        store_pair(to + i * plane, a[i], b[i]);
      } else if (i < left) {
        to[i * plane] = from_float<T>(a[i]);
        if (column + 1 < p.out_width) to[i * plane + 1] = from_float<T>(b[i]);
      }
    }
  }
}

int log2_up(int count, int most) {
  int log = 0;
  while (log < most && (1 << log) < count) ++log;
  return log;
}

template <class T>
cudaError_t launch_type(const LayoutConv& op, cudaStream_t stream) {
  DeviceLimits limits;
  const cudaError_t status = query(limits);
  if (status != cudaSuccess) return status;
  Parameters p{};
  p.op = op;
  p.out_height = (op.height + op.stride - 1) / op.stride;
  p.out_width = (op.width + op.stride - 1) / op.stride;
  p.log_pairs = log2_up((p.out_width + 1) / 2, 5);
  p.log_rows = log2_up(p.out_height, 8 - p.log_pairs);
  const int pairs = 1 << p.log_pairs, rows = 1 << p.log_rows, slots = kThreads / (pairs * rows);
  p.column_tiles = static_cast<int>(divide_up(p.out_width, 2 * pairs));
  p.row_tiles = static_cast<int>(divide_up(p.out_height, rows));
  p.groups = static_cast<int>(divide_up(op.channels, kChannels));
  // Labels are read once for several groups, but not at the price of idle multiprocessors.
  const int64_t tiles = static_cast<int64_t>(p.column_tiles) * p.row_tiles;
  const int64_t most = op.n * tiles * divide_up(p.groups, slots);
  const int64_t rounds = most / (8 * limits.multiprocessors);
  p.groups_per_block = slots * static_cast<int>(rounds < 1 ? 1 : rounds > 4 ? 4 : rounds);
  p.group_chunks = static_cast<int>(divide_up(p.groups, p.groups_per_block));
  const int64_t blocks = op.n * tiles * p.group_chunks;
  if (!fits_grid(blocks)) return cudaErrorInvalidValue;

  const size_t shared = sizeof(int) * ((rows - 1) * op.stride + op.k) * ((2 * pairs - 1) * op.stride + op.k);
  const bool whole = op.channels % kChannels == 0 && p.out_width % 2 == 0 && is_aligned(op.table, 16) &&
                     is_aligned(op.bias, 16) && is_aligned(op.y, 2 * sizeof(T));
  const auto kernel = op.k == 3 ? (whole ? look_up<T, 3, true> : look_up<T, 3, false>)
                                : (whole ? look_up<T, 0, true> : look_up<T, 0, false>);
  return launch_kernel(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), shared, stream, p);
}

}  // namespace

cudaError_t launch(const LayoutConv& op, cudaStream_t stream) {
  if (op.n < 0 || op.channels < 0 || op.height < 0 || op.width < 0 || op.count < 0)
    return cudaErrorInvalidValue;
  if (op.k < 1 || op.k > 7 || op.k % 2 == 0 || op.stride < 1 || op.stride > 2) return cudaErrorInvalidValue;
  if (op.label_type != Type::kUint8 && op.label_type != Type::kInt32) return cudaErrorInvalidValue;
  if (op.type != Type::kFloat && op.type != Type::kHalf) return cudaErrorInvalidValue;
  // Elements of the table are counted in 32 bits.
  if (static_cast<int64_t>(op.count) * op.k * op.k * op.channels > INT32_MAX) return cudaErrorInvalidValue;
  if (op.n == 0 || op.channels == 0 || op.height == 0 || op.width == 0) return cudaSuccess;
  return op.type == Type::kFloat ? launch_type<float>(op, stream) : launch_type<__half>(op, stream);
}

}  // namespace layoutrt::cuda
