// Checks of shapes of which some dimensions may not be known yet (-1).
#pragma once

#include <NvInferRuntime.h>

#include <string>

namespace layoutrt::trt {

// True if two dimensions may be the same number.
inline bool agree(int64_t a, int64_t b) { return a < 0 || b < 0 || a == b; }

// A dimension times a number, if known.
inline int64_t times(int64_t dim, int64_t factor) { return dim < 0 ? -1 : dim * factor; }

// Each throws std::invalid_argument, whose text completes a sentence that starts with the node.
void require_rank(const char* tensor, const nvinfer1::Dims& dims, int32_t rank);
void require_dim(const char* tensor, const nvinfer1::Dims& dims, int32_t axis, int64_t wanted);
// `dims` is [count].
void require_vector(const char* tensor, const nvinfer1::Dims& dims, int64_t count);
// All dimensions are those of `wanted`, the shape of `other`.
void require_same(const char* tensor, const nvinfer1::Dims& dims, const char* other,
                  const nvinfer1::Dims& wanted);

// Such as "[1, 64, ?, ?]".
std::string text(const nvinfer1::Dims& dims);

}  // namespace layoutrt::trt
