// The dimensions of a tensor, held in place: reading a shape on every run allocates nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "error.h"

namespace layoutrt::operators {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) {
    resize(dims.size());
    std::copy(dims.begin(), dims.end(), dims_.begin());
  }

  // New dimensions are 0. Throws Error where there would be more than the C API describes.
  void resize(size_t rank) {
    if (rank > dims_.size()) {
      throw Error(LRT_INVALID_ARGUMENT, "a tensor has " + std::to_string(rank) +
                                            " dimensions; operators take at most " +
                                            std::to_string(dims_.size()));
    }
    rank_ = rank;
  }

  size_t size() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t* data() { return dims_.data(); }
  const int64_t* data() const { return dims_.data(); }
  int64_t& operator[](size_t i) { return dims_[i]; }
  int64_t operator[](size_t i) const { return dims_[i]; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + rank_; }

  friend bool operator==(const Shape& a, const Shape& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::array<int64_t, LRT_MAX_RANK> dims_{};
  size_t rank_ = 0;
};

}  // namespace layoutrt::operators
