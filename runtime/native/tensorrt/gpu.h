// The GPU that an engine is to run on.
#pragma once

#include <string>

namespace layoutrt::trt {

struct Gpu {
  int device;                      // CUDA's number of it
  std::string name;                // such as "Orin"
  std::string compute_capability;  // such as "8.7"
};

// The calling thread's current device. Throws Error: there is none, or no driver, or an old one.
Gpu current_gpu();

}  // namespace layoutrt::trt
