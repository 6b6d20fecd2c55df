// ConvToImage: the last convolution of a generator, tanh and bytes, in one pass over its input.
//
// A tile of every channel is copied into a padded strip, so that every tap of every pixel is a plain offset.
// For a vector of pixels in a few rows, the three outputs of every row are added up in registers: with one
// column of taps at a time, a value that is loaded once meets the weights of three rows and three outputs.
// Meanwhile the rows of the next tile are fetched, one line of the cache for each that is used up.

#include "kernels/exponential.h"
#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

constexpr int kOutputs = 3;
// Rows of pixels at a time: their accumulators, values of two rows more, and a weight fill the registers.
constexpr int kRows = kManyRegisters ? 6 : 3;
static_assert(kConvToImageRows % kRows == 0, "tiles are whole groups of rows");

// Rows of a plane follow each other at a distance of `stride`, with zeros or the neighboring columns of the
// image between them.
struct Strip {
  int64_t rows;     // of the tile, rounded up to whole groups
  int64_t columns;  // of the tile
  int64_t stride;
  int64_t plane;  // floats of one channel, with a row of halo above and below

  explicit Strip(const Tile& tile)
      : rows(round_up(tile.row_end - tile.row_begin, kRows)),
        columns(tile.column_end - tile.column_begin),
        stride(round_up(columns, kLanes) + kLanes),
        plane(kLanes + (rows + 2) * stride) {}
};

// to[kLanes + r * stride + j] = from[row_begin + r - 1, column_begin + j] for -1 <= j <= columns, zero
// outside of the image.
void fill_plane(const ConvToImage& conv, const Tile& tile, const Strip& strip, const float* from, float* to) {
  const bool left = tile.column_begin > 0;
  const bool right = tile.column_end < conv.width;
  to += kLanes;
  for (int64_t r = 0; r < strip.rows + 2; ++r, to += strip.stride) {
    const int64_t row = tile.row_begin + r - 1;
    if (row < 0 || row >= conv.height) {
      for (int64_t j = -1; j < strip.stride - 1; ++j) to[j] = 0.0f;
      continue;
    }
    const float* source = from + row * conv.width + tile.column_begin;
    to[-1] = left ? source[-1] : 0.0f;
    for (int64_t j = 0; j < strip.columns; ++j) to[j] = source[j];
    to[strip.columns] = right ? source[strip.columns] : 0.0f;
    for (int64_t j = strip.columns + 1; j < strip.stride - 1; ++j) to[j] = 0.0f;
  }
}

// sums[r][o] = the convolution for the vector of pixels at `x` in the strip's first channel, kRows rows.
// Fetches what lies `ahead` of the start of every plane, kRows rows of `width`, into the second-level cache.
LRT_INLINE void add_up(const Strip& strip, const ConvToImage& conv, const float* x,
                       const float* const* planes, int64_t ahead, float* sums) {
  Vector acc[kRows][kOutputs];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int o = 0; o < kOutputs; ++o) acc[r][o] = broadcast(conv.bias[o]);
  }
  const int64_t stride = strip.stride;
  const int64_t channels = conv.x_channels + conv.y_channels;
  const float* weight = conv.weight;
  for (int64_t c = 0; c < channels; ++c, x += strip.plane) {
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) __builtin_prefetch(planes[c] + ahead + r * conv.width, 0, 1);
    // Unrolled, this loop needs more registers than there are.
#pragma GCC unroll 1
    for (int dx = 0; dx < 3; ++dx, weight += 3 * kOutputs) {
      const float* column = x + dx - 1;
      Vector value[kRows + 2];
#pragma GCC unroll 8
      for (int r = 0; r < kRows + 2; ++r) value[r] = load(column + r * stride);
#pragma GCC unroll 3
      for (int dy = 0; dy < 3; ++dy) {
#pragma GCC unroll 3
        for (int o = 0; o < kOutputs; ++o) {
          const Vector w = broadcast(weight[dy * kOutputs + o]);
#pragma GCC unroll 6
          for (int r = 0; r < kRows; ++r) acc[r][o] += w * value[r + dy];
        }
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int o = 0; o < kOutputs; ++o) store(sums + (r * kOutputs + o) * kLanes, acc[r][o]);
  }
}

// tanh(x) to an absolute error below 1e-6: with e = exp(-2|x|) <= 1 it is (1 - e) / (1 + e), the sign of x.
LRT_INLINE Vector hyperbolic_tangent(Vector x) {
  const Bits sign_bit = Bits{} + INT32_MIN;
  const Bits bits = reinterpret_cast<Bits>(x);
  const Vector e = exponential(reinterpret_cast<Vector>(bits | sign_bit) * 2.0f);
  const Vector size = (1.0f - e) / (1.0f + e);
  return reinterpret_cast<Vector>(reinterpret_cast<Bits>(size) | (bits & sign_bit));
}

// The byte of each lane. Adding 1.5 * 2^23 rounds half to even and leaves the whole number in the low bits.
LRT_INLINE Bits to_byte(Vector sum) {
  const Vector level = hyperbolic_tangent(sum) * 127.5f + 127.5f;
  const Vector at_least_0 = level > Vector{} ? level : Vector{};  // also where it is not a number
  return reinterpret_cast<Bits>(at_least_0 + 12582912.0f) & 0xff;
}

// One row of add_up's sums as `count` pixels.
LRT_INLINE void write_pixels(const float* sums, int64_t count, uint8_t* to) {
  const Bits red = to_byte(load(sums));
  const Bits green = to_byte(load(sums + kLanes));
  const Bits blue = to_byte(load(sums + 2 * kLanes));
  const Bits pixels = red | green << 8 | blue << 16;
  uint32_t pixel[kLanes];
  __builtin_memcpy(pixel, &pixels, sizeof(pixel));
  // Four bytes at a time, of which the last is overwritten by the next pixel; none beyond the last pixel.
  for (int64_t i = 0; i < count - 1; ++i) __builtin_memcpy(to + 3 * i, pixel + i, 4);
  uint8_t* last = to + 3 * (count - 1);
  for (int o = 0; o < kOutputs; ++o) last[o] = static_cast<uint8_t>(pixel[count - 1] >> (8 * o));
}

}  // namespace

size_t conv_to_image_scratch(const ConvToImage& conv, const Tile& tile) {
  const int64_t channels = conv.x_channels + conv.y_channels;
  return static_cast<size_t>(channels) * (Strip(tile).plane * sizeof(float) + sizeof(const float*));
}

void conv_to_image(const ConvToImage& conv, int64_t image, const Tile& tile, float* scratch) {
  const Strip strip(tile);
  const int64_t plane_size = conv.height * conv.width;
  const int64_t channels = conv.x_channels + conv.y_channels;
  const float** planes = reinterpret_cast<const float**>(scratch + channels * strip.plane);
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t of_y = c - conv.x_channels;
    planes[c] = of_y < 0 ? conv.x + (image * conv.x_channels + c) * plane_size
                         : conv.y + (image * conv.y_channels + of_y) * plane_size;
    fill_plane(conv, tile, strip, planes[c], scratch + c * strip.plane);
  }
  const int64_t last_ahead = conv.height > kRows ? conv.height - kRows : 0;
  for (int64_t first = 0; first < tile.row_end - tile.row_begin; first += kRows) {
    const int64_t rows = smaller<int64_t>(kRows, tile.row_end - tile.row_begin - first);
    const int64_t ahead =
        smaller(tile.row_begin + first + strip.rows + 1, last_ahead) * conv.width + tile.column_begin;
    const float* x = scratch + kLanes + first * strip.stride;
    uint8_t* to = conv.image +
                  kOutputs * (image * plane_size + (tile.row_begin + first) * conv.width + tile.column_begin);
    for (int64_t j = 0; j < strip.columns; j += kLanes) {
      alignas(64) float sums[kRows * kOutputs * kLanes];
      add_up(strip, conv, x + j, planes, ahead + j, sums);
      const int64_t count = smaller<int64_t>(kLanes, strip.columns - j);
      for (int64_t r = 0; r < rows; ++r) {
        write_pixels(sums + r * kOutputs * kLanes, count, to + kOutputs * (r * conv.width + j));
      }
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
