// The optional per-channel scale and shift of x that two operators share.
#pragma once

#include "operators/kernel_context.h"

namespace layoutrt::operators {

struct Affine {
  const float* scale = nullptr;
  const float* shift = nullptr;
};

// Inputs `index` (scale) and `index + 1` (shift), both [channels]. Throws Error if only one is there.
Affine read_affine(const KernelContext& context, const char* op, size_t index, int64_t channels);

}  // namespace layoutrt::operators
