// Preparation of a LayoutConv and its division into parts, for inference and for training.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace layoutrt::operators {

// A table [labels, k*k, channels] and a bias in the form the kernel reads, and the sums of windows that have
// one label.
class LayoutConvTable {
 public:
  LayoutConvTable() = default;
  LayoutConvTable(const float* table, const float* bias, int label_count, int kernel_size, int64_t channels);

  // The convolution of a layout of that size; labels and y are the caller's to set. Padding is k/2.
  kernels::LayoutConv describe(int64_t height, int64_t width, int stride) const;

 private:
  int label_count_ = 0;
  int kernel_size_ = 0;
  int64_t channels_ = 0;
  int64_t padded_channels_ = 0;
  std::vector<float> table_;
  std::vector<float> bias_;
  std::vector<float> uniform_sums_;
};

// The parts: ranges of output pixels of one image.
class LayoutConvParts {
 public:
  LayoutConvParts(const kernels::LayoutConv& conv, int64_t images);
  int64_t count() const { return images_ * per_image_; }
  int64_t image(int64_t part) const { return part / per_image_; }
  int64_t begin(int64_t part) const { return part % per_image_ * share_; }
  int64_t end(int64_t part) const { return std::min(begin(part) + share_, pixels_); }

 private:
  int64_t images_, pixels_, share_, per_image_;
};

}  // namespace layoutrt::operators
