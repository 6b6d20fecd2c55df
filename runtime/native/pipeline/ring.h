// First in, first out, in memory that is made once.
#pragma once

#include <cstddef>
#include <vector>

namespace layoutrt::pipeline {

template <class T>
class Ring {
 public:
  explicit Ring(size_t capacity) : items_(capacity) {}

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == items_.size(); }
  size_t size() const { return size_; }

  // There must be room.
  void push(T item) { items_[(first_ + size_++) % items_.size()] = item; }

  // There must be an item.
  T pop() {
    const T item = items_[first_];
    first_ = (first_ + 1) % items_.size();
    --size_;
    return item;
  }

 private:
  std::vector<T> items_;
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace layoutrt::pipeline
