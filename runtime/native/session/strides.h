// Tensors with gaps between their elements.
#pragma once

#include "layoutrt/layoutrt.h"

namespace layoutrt {

// True if any stride is given; all 0 means contiguous.
bool has_strides(const lrt_tensor& tensor);

// The fault in the strides of a tensor whose dtype and dims are right, as the rest of a sentence that
// starts with its name; null if they are good.
const char* find_stride_error(const lrt_tensor& tensor);

// Copy the elements of a strided tensor to contiguous memory, and back.
void pack(const lrt_tensor& from, void* to);
void unpack(const void* from, const lrt_tensor& to);

}  // namespace layoutrt
