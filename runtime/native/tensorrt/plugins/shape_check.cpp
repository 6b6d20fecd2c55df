#include "tensorrt/plugins/shape_check.h"

#include <stdexcept>

namespace layoutrt::trt {

std::string text(const nvinfer1::Dims& dims) {
  std::string result = "[";
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    if (i > 0) result += ", ";
    result += dims.d[i] < 0 ? "?" : std::to_string(dims.d[i]);
  }
  return result + "]";
}

void require_rank(const char* tensor, const nvinfer1::Dims& dims, int32_t rank) {
  if (dims.nbDims == rank) return;
  throw std::invalid_argument(std::string("has the tensor ") + tensor + " " + text(dims) +
                              ", which must have " + std::to_string(rank) + " dimensions");
}

void require_dim(const char* tensor, const nvinfer1::Dims& dims, int32_t axis, int64_t wanted) {
  if (agree(dims.d[axis], wanted)) return;
  throw std::invalid_argument(std::string("has the tensor ") + tensor + " " + text(dims) +
                              ", whose dimension " + std::to_string(axis) + " must be " +
                              std::to_string(wanted));
}

void require_vector(const char* tensor, const nvinfer1::Dims& dims, int64_t count) {
  require_rank(tensor, dims, 1);
  require_dim(tensor, dims, 0, count);
}

void require_same(const char* tensor, const nvinfer1::Dims& dims, const char* other,
                  const nvinfer1::Dims& wanted) {
  bool same = dims.nbDims == wanted.nbDims;
  for (int32_t i = 0; same && i < dims.nbDims; ++i) same = agree(dims.d[i], wanted.d[i]);
  if (same) return;
  throw std::invalid_argument(std::string("has the tensor ") + tensor + " " + text(dims) +
                              ", which must have the shape of " + other + ", " + text(wanted));
}

}  // namespace layoutrt::trt
