#include "session/strides.h"

#include <cstring>

#include "dtype.h"

namespace layoutrt {
namespace {

// The copy as a loop nest: dimensions of 1 are gone, and the innermost bytes that lie together are one block.
struct Nest {
  size_t block;  // bytes
  int depth = 0;
  int64_t count[LRT_MAX_RANK];
  int64_t stride[LRT_MAX_RANK];
};

Nest make_nest(const lrt_tensor& tensor) {
  Nest nest;
  nest.block = traits(tensor.dtype).bytes;
  int inner = tensor.rank;
  const bool contiguous = !has_strides(tensor);
  while (inner > 0) {
    const int64_t dim = tensor.dims[inner - 1];
    if (dim != 1 && !contiguous && tensor.strides[inner - 1] != static_cast<int64_t>(nest.block)) break;
    nest.block *= static_cast<size_t>(dim);
    --inner;
  }
  for (int i = 0; i < inner; ++i) {
    if (tensor.dims[i] == 1) continue;
    nest.count[nest.depth] = tensor.dims[i];
    nest.stride[nest.depth++] = tensor.strides[i];
  }
  return nest;
}

// Copies `count` blocks; a block of known size is one or two moves.
template <size_t kBlock, bool kPack>
void copy_blocks(char* strided, int64_t stride, char* packed, int64_t count, size_t block) {
  const size_t bytes = kBlock != 0 ? kBlock : block;
  for (int64_t i = 0; i < count; ++i) {
    if (kPack) {
      std::memcpy(packed, strided, bytes);
    } else {
      std::memcpy(strided, packed, bytes);
    }
    packed += bytes;
    strided += stride;
  }
}

template <bool kPack>
void copy(const lrt_tensor& tensor, char* packed) {
  for (int32_t i = 0; i < tensor.rank; ++i) {
    if (tensor.dims[i] == 0) return;
  }
  const Nest nest = make_nest(tensor);
  auto* strided = static_cast<char*>(tensor.data);
  const int64_t count = nest.depth > 0 ? nest.count[nest.depth - 1] : 1;
  const int64_t stride = nest.depth > 0 ? nest.stride[nest.depth - 1] : 0;
  auto blocks = copy_blocks<0, kPack>;
  switch (nest.block) {
    case 1: blocks = copy_blocks<1, kPack>; break;
    case 2: blocks = copy_blocks<2, kPack>; break;
    case 3: blocks = copy_blocks<3, kPack>; break;
    case 4: blocks = copy_blocks<4, kPack>; break;
    case 8: blocks = copy_blocks<8, kPack>; break;
    default: break;
  }
  int64_t index[LRT_MAX_RANK] = {};
  while (true) {
    blocks(strided, stride, packed, count, nest.block);
    packed += static_cast<size_t>(count) * nest.block;
    int axis = nest.depth - 2;
    for (; axis >= 0; --axis) {
      strided += nest.stride[axis];
      if (++index[axis] < nest.count[axis]) break;
      strided -= nest.stride[axis] * nest.count[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

}  // namespace

bool has_strides(const lrt_tensor& tensor) {
  for (int32_t i = 0; i < tensor.rank; ++i) {
    if (tensor.strides[i] != 0) return true;
  }
  return false;
}

const char* find_stride_error(const lrt_tensor& tensor) {
  int order[LRT_MAX_RANK];  // dimensions by growing stride
  int used = 0;
  for (int32_t i = 0; i < tensor.rank; ++i) {
    if (tensor.dims[i] == 0) return nullptr;
    if (tensor.dims[i] == 1) continue;
    if (tensor.strides[i] <= 0) return "has a stride that is not positive";
    int place = used++;
    for (; place > 0 && tensor.strides[order[place - 1]] > tensor.strides[i]; --place) {
      order[place] = order[place - 1];
    }
    order[place] = i;
  }
  // Bytes from the first element to the end of the last one, of the dimensions so far: the next dimension
  // must step over them.
  int64_t extent = static_cast<int64_t>(traits(tensor.dtype).bytes);
  for (int i = 0; i < used; ++i) {
    const int64_t stride = tensor.strides[order[i]];
    if (stride < extent) return "has strides with which elements share memory";
    int64_t step = 0;
    if (__builtin_mul_overflow(stride, tensor.dims[order[i]] - 1, &step) ||
        __builtin_add_overflow(extent, step, &extent)) {
      return "is too large";
    }
  }
  return static_cast<uint64_t>(extent) > tensor.size_bytes ? "has strides that lead out of its buffer"
                                                           : nullptr;
}

void pack(const lrt_tensor& from, void* to) { copy<true>(from, static_cast<char*>(to)); }

void unpack(const void* from, const lrt_tensor& to) {
  copy<false>(to, const_cast<char*>(static_cast<const char*>(from)));
}

}  // namespace layoutrt
