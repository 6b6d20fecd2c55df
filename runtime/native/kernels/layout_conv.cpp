// LayoutConv: a convolution of one-hot labels as table look-ups.
//
// Every pixel is given a column: a vector over the channels. Where the whole window has one label (most
// pixels of a layout) it is a precomputed one; where the window equals that of the pixel to the left it is
// that pixel's; elsewhere k*k rows of the table are added up. The columns are then transposed into the
// channels' planes, a run of one column as a fill. Every column is added up in the same order, so the path
// taken never shows.

#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

constexpr int kBlockVectors = 4;
constexpr int64_t kBlock = kBlockVectors * kLanes;  // channels added up at a time
static_assert(kChannelPadding % kBlock == 0);

// Place of a pixel's column: that of a uniform window of label `index`, or computed column number `index`.
struct Column {
  int32_t index;
  bool uniform;
};

struct Scratch {
  float* computed;       // [kLayoutConvPixels, kBlock]
  const float** source;  // [kLayoutConvPixels + kLanes] first channel of the block, per pixel
  Column* columns;       // [kLayoutConvPixels]
  int32_t* pixels;       // [kLayoutConvPixels] the pixel whose window each computed column is
  uint16_t* window;      // [k, width + k - 1] the input rows of one output row
  int32_t* run_begin;    // [width + k - 1] where the run of equal window columns around a column begins
};

int64_t window_width(const LayoutConv& conv) { return conv.width + conv.kernel_size - 1; }

size_t lay_out(const LayoutConv& conv, char* memory, Scratch* scratch) {
  size_t used = 0;
  const auto take = [&](size_t bytes) {
    char* here = memory + used;
    used += static_cast<size_t>(round_up(static_cast<int64_t>(bytes), 64));
    return here;
  };
  const size_t pixels = kLayoutConvPixels;
  const size_t columns = static_cast<size_t>(window_width(conv));
  scratch->computed = reinterpret_cast<float*>(take(pixels * kBlock * sizeof(float)));
  scratch->source = reinterpret_cast<const float**>(take((pixels + kLanes) * sizeof(float*)));
  scratch->columns = reinterpret_cast<Column*>(take(pixels * sizeof(Column)));
  scratch->pixels = reinterpret_cast<int32_t*>(take(pixels * sizeof(int32_t)));
  const size_t k = static_cast<size_t>(conv.kernel_size);
  scratch->window = reinterpret_cast<uint16_t*>(take(k * columns * sizeof(uint16_t)));
  scratch->run_begin = reinterpret_cast<int32_t*>(take(columns * sizeof(int32_t)));
  return used;
}

// Labels of the k input rows under one output row. The zero row of the table, number label_count, stands for
// what contributes nothing: pixels outside the image and unknown labels.
void read_window(const LayoutConv& conv, const uint8_t* labels, int64_t out_row, const Scratch& scratch) {
  const int k = conv.kernel_size;
  const int64_t columns = window_width(conv);
  const uint16_t nothing = static_cast<uint16_t>(conv.label_count);
  for (int dy = 0; dy < k; ++dy) {
    uint16_t* to = scratch.window + dy * columns;
    const int64_t row = out_row * conv.stride + dy - k / 2;
    if (row < 0 || row >= conv.height) {
      for (int64_t x = 0; x < columns; ++x) to[x] = nothing;
      continue;
    }
    const uint8_t* from = labels + row * conv.width;
    for (int x = 0; x < k / 2; ++x) to[x] = to[columns - 1 - x] = nothing;
    for (int64_t x = 0; x < conv.width; ++x) to[x + k / 2] = from[x] < nothing ? from[x] : nothing;
  }
  // First where the columns differ from the one before, which compilers vectorize, then the runs.
  int32_t* run_begin = scratch.run_begin;
  run_begin[0] = 0;
  for (int dy = 0; dy < k; ++dy) {
    const uint16_t* row = scratch.window + dy * columns;
    for (int64_t x = 1; x < columns; ++x) {
      const int32_t change = row[x] ^ row[x - 1];
      run_begin[x] = dy == 0 ? change : run_begin[x] | change;
    }
  }
  int32_t begin = 0;
  for (int64_t x = 1; x < columns; ++x) {
    if (run_begin[x] != 0) begin = static_cast<int32_t>(x);
    run_begin[x] = begin;
  }
}

// Give every pixel of the range its column; returns how many columns are to be computed.
int64_t find_columns(const LayoutConv& conv, const uint8_t* labels, int64_t pixel_begin, int64_t pixel_end,
                     const Scratch& scratch) {
  const int k = conv.kernel_size;
  const int64_t columns = window_width(conv);
  int64_t computed = 0;
  int64_t row = pixel_begin / conv.out_width;
  int64_t left = pixel_begin % conv.out_width * conv.stride;
  bool row_read = false;
  for (int64_t p = pixel_begin; p < pixel_end; ++p, left += conv.stride) {
    if (left >= conv.out_width * conv.stride) {
      ++row;
      left = 0;
      row_read = false;
    }
    Column& column = scratch.columns[p - pixel_begin];
    if (!row_read) {
      read_window(conv, labels, row, scratch);
      row_read = true;
    } else if (scratch.run_begin[left + k - 1] <= left - conv.stride) {
      column = scratch.columns[p - pixel_begin - 1];
      continue;
    }
    bool uniform = conv.uniform_sums != nullptr && scratch.run_begin[left + k - 1] <= left;
    for (int dy = 1; dy < k; ++dy) {
      uniform = uniform && scratch.window[dy * columns + left] == scratch.window[left];
    }
    if (uniform) {
      column = {static_cast<int32_t>(scratch.window[left]), true};
    } else {
      scratch.pixels[computed] = static_cast<int32_t>(p);
      column = {static_cast<int32_t>(computed++), false};
    }
  }
  return computed;
}

template <int V>
LRT_INLINE void add_row(Vector (&sum)[V], const float* row) {
  for (int v = 0; v < V; ++v) sum[v] += load(row + v * kLanes);
}

// Row of the table that tap (row, column) of the label map selects.
LRT_INLINE int64_t label_at(const LayoutConv& conv, const uint8_t* labels, int64_t row, int64_t column) {
  if (row < 0 || row >= conv.height || column < 0 || column >= conv.width) return conv.label_count;
  return smaller<int64_t>(labels[row * conv.width + column], conv.label_count);
}

// V vectors of channels from `channel` on.
template <int V>
void compute_columns(const LayoutConv& conv, const uint8_t* labels, int64_t channel, int64_t count,
                     const Scratch& scratch) {
  const int k = conv.kernel_size;
  for (int64_t n = 0; n < count; ++n) {
    const int64_t top = scratch.pixels[n] / conv.out_width * conv.stride - k / 2;
    const int64_t left = scratch.pixels[n] % conv.out_width * conv.stride - k / 2;
    Vector sum[V] = {};
    add_row(sum, conv.bias + channel);
    for (int t = 0; t < k * k; ++t) {
      const int64_t label = label_at(conv, labels, top + t / k, left + t % k);
      add_row(sum, conv.table + (label * k * k + t) * conv.padded_channels + channel);
    }
    for (int v = 0; v < V; ++v) store(scratch.computed + n * kBlock + v * kLanes, sum[v]);
  }
}

// The block of channels from `channel` on, as far as there are any.
void compute_block(const LayoutConv& conv, const uint8_t* labels, int64_t channel, int64_t count,
                   const Scratch& scratch) {
  const int64_t channels = conv.channels - channel;
  if (channels > 2 * kLanes) {
    compute_columns<kBlockVectors>(conv, labels, channel, count, scratch);
  } else if (channels > kLanes) {
    compute_columns<2>(conv, labels, channel, count, scratch);
  } else {
    compute_columns<1>(conv, labels, channel, count, scratch);
  }
}

// Write channels [channel, channel + kLanes) of the range from the columns' kLanes values at `offset`.
void write_planes(const LayoutConv& conv, int64_t image, int64_t channel, int64_t offset, int64_t pixel_begin,
                  int64_t pixels, const float* const* source) {
  const int64_t plane_size = conv.out_height * conv.out_width;
  float* y = conv.y + (image * conv.channels + channel) * plane_size + pixel_begin;
  const int64_t channels = smaller<int64_t>(kLanes, conv.channels - channel);
  for (int64_t p = 0; p < pixels; p += kLanes) {
    const float* const* from = source + p;
    const int64_t width = smaller<int64_t>(kLanes, pixels - p);
    Vector rows[kLanes];
    if (from[0] == from[kLanes - 1]) {
      bool one = true;
      for (int i = 1; i < kLanes - 1; ++i) one = one && from[i] == from[0];
      if (one && width == kLanes) {
        for (int64_t c = 0; c < channels; ++c) store(y + c * plane_size + p, broadcast(from[0][offset + c]));
        continue;
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = load(from[i] + offset);
    transpose(rows);
    if (channels == kLanes && width == kLanes) {
#pragma GCC unroll 16
      for (int c = 0; c < kLanes; ++c) store(y + c * plane_size + p, rows[c]);
    } else {
      float square[kLanes * kLanes];
      for (int c = 0; c < kLanes; ++c) store(square + c * kLanes, rows[c]);
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t i = 0; i < width; ++i) y[c * plane_size + p + i] = square[c * kLanes + i];
      }
    }
  }
}

}  // namespace

size_t layout_conv_scratch(const LayoutConv& conv) {
  Scratch scratch;
  alignas(64) char origin[64];  // only its address is used: the layout is measured, nothing is written
  return lay_out(conv, origin, &scratch);
}

void layout_conv_uniform_sums(const LayoutConv& conv, float* sums) {
  const int taps = conv.kernel_size * conv.kernel_size;
  for (int64_t label = 0; label <= conv.label_count; ++label) {
    for (int64_t channel = 0; channel < conv.padded_channels; channel += kBlock) {
      Vector sum[kBlockVectors] = {};
      add_row(sum, conv.bias + channel);
      for (int t = 0; t < taps; ++t) {
        add_row(sum, conv.table + (label * taps + t) * conv.padded_channels + channel);
      }
      float* to = sums + label * conv.padded_channels + channel;
      for (int v = 0; v < kBlockVectors; ++v) store(to + v * kLanes, sum[v]);
    }
  }
}

void layout_conv(const LayoutConv& conv, int64_t image, int64_t pixel_begin, int64_t pixel_end,
                 float* memory) {
  Scratch scratch;
  lay_out(conv, reinterpret_cast<char*>(memory), &scratch);
  const uint8_t* labels = conv.labels + image * conv.height * conv.width;
  const int64_t pixels = pixel_end - pixel_begin;
  const int64_t computed = find_columns(conv, labels, pixel_begin, pixel_end, scratch);

  for (int64_t block = 0; block < conv.channels; block += kBlock) {
    compute_block(conv, labels, block, computed, scratch);
    for (int64_t p = 0; p < pixels; ++p) {
      const Column column = scratch.columns[p];
      scratch.source[p] = column.uniform ? conv.uniform_sums + column.index * conv.padded_channels + block
                                         : scratch.computed + column.index * kBlock;
    }
    // The last vector of pixels may reach beyond the range; what it reads there is not written.
    for (int64_t p = pixels; p < round_up(pixels, kLanes); ++p) scratch.source[p] = scratch.source[0];
    const int64_t block_end = smaller(block + kBlock, conv.channels);
    for (int64_t channel = block; channel < block_end; channel += kLanes) {
      write_planes(conv, image, channel, channel - block, pixel_begin, pixels, scratch.source);
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
