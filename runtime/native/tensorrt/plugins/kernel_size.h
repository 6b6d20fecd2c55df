// Kernel size that a number of taps implies.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace layoutrt::trt {

// 1, 3, 5 or 7; 0 if the taps are not known yet (negative). Throws std::invalid_argument, whose text
// completes a sentence that starts with the node.
inline int32_t kernel_size(int64_t taps) {
  if (taps < 0) return 0;
  for (const int32_t k : {1, 3, 5, 7}) {
    if (taps == int64_t{k} * k) return k;
  }
  throw std::invalid_argument("has kernels of " + std::to_string(taps) +
                              " taps; they may have 1, 9, 25 or 49");
}

}  // namespace layoutrt::trt
