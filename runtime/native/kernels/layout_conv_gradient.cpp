// Gradients of LayoutConv: grad, added up by the label under each tap.
//
// The channels' planes are transposed in registers, so that a pixel's gradient is a vector over channels and
// goes to the rows of its k*k labels with one addition each. A pixel whose whole window has one label, as
// most have, goes to one sum of that label instead, which is given to all its taps at the end.

#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

constexpr int64_t kChannels = kLayoutConvGradientChannels;
constexpr int kMaxLabels = 257;  // with the one that stands for nothing
static_assert(kChannels % kLanes == 0);

struct Window {
  const LayoutConvGradient& conv;
  const uint8_t* labels;

  // The label, or label_count where there is none.
  int at(int64_t row, int64_t column) const {
    if (row < 0 || row >= conv.height || column < 0 || column >= conv.width) return conv.label_count;
    return smaller<int>(labels[row * conv.width + column], conv.label_count);
  }
};

// grad of kLanes pixels from column j on of one output row, for kLanes channels, by pixel.
void read_pixels(const LayoutConvGradient& conv, const float* from, int64_t channels, int64_t pixels,
                 Vector (&rows)[kLanes]) {
  const int64_t plane_size = conv.out_height * conv.out_width;
  for (int64_t c = 0; c < kLanes; ++c) {
    rows[c] = Vector{};
    if (c >= channels) continue;
    if (pixels == kLanes) {
      rows[c] = load(from + c * plane_size);
    } else {
      for (int64_t p = 0; p < pixels; ++p) rows[c][p] = from[c * plane_size + p];
    }
  }
  transpose(rows);
}

LRT_INLINE void add(float* to, Vector value) { store(to, load(to) + value); }

}  // namespace

void layout_conv_gradient(const LayoutConvGradient& conv, int64_t image, int64_t channel_begin,
                          int64_t row_begin, int64_t row_end, float* sums) {
  const int k = conv.kernel_size;
  const int taps = k * k;
  const Window window{conv, conv.labels + image * conv.height * conv.width};
  float* bias = sums + (conv.label_count + 1) * taps * kChannels;
  float uniform[kMaxLabels * kLanes];

  for (int64_t block = 0; block < kChannels && channel_begin + block < conv.channels; block += kLanes) {
    const int64_t channels = smaller<int64_t>(kLanes, conv.channels - channel_begin - block);
    const float* grad =
        conv.grad + (image * conv.channels + channel_begin + block) * conv.out_height * conv.out_width;
    for (int i = 0; i <= conv.label_count; ++i) store(uniform + i * kLanes, Vector{});
    for (int64_t row = row_begin; row < row_end; ++row) {
      for (int64_t first = 0; first < conv.out_width; first += kLanes) {
        const int64_t pixels = smaller<int64_t>(kLanes, conv.out_width - first);
        Vector by_pixel[kLanes];
        read_pixels(conv, grad + row * conv.out_width + first, channels, pixels, by_pixel);
        for (int64_t p = 0; p < pixels; ++p) {
          add(bias + block, by_pixel[p]);
          const int64_t top = row * conv.stride - k / 2;
          const int64_t left = (first + p) * conv.stride - k / 2;
          const int middle = window.at(row * conv.stride, (first + p) * conv.stride);
          int labels[49];
          int change = 0;
          for (int t = 0; t < taps; ++t) {
            labels[t] = window.at(top + t / k, left + t % k);
            change |= labels[t] ^ middle;
          }
          if (change == 0) {
            add(uniform + middle * kLanes, by_pixel[p]);
            continue;
          }
          for (int t = 0; t < taps; ++t) {
            add(sums + (labels[t] * taps + t) * kChannels + block, by_pixel[p]);
          }
        }
      }
    }
    for (int label = 0; label <= conv.label_count; ++label) {
      for (int t = 0; t < taps; ++t) {
        add(sums + (label * taps + t) * kChannels + block, load(uniform + label * kLanes));
      }
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
