// The operators on CUDA: launchers that take device pointers and a stream. They allocate nothing, never
// synchronize, and can be captured into a CUDA graph. Nothing here depends on TensorRT.
//
// layoutrt/operators/*.py define what each computes. Tensors are contiguous; activations are NCHW. Sums are
// in float32 (int32 for 8-bit products), in an order that does not depend on the machine's load, and are
// rounded once. A tensor may start at any element, but kernels are faster where it starts at a multiple of
// 16 bytes.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace layoutrt::cuda {

enum class Type : int32_t { kFloat = 0, kHalf = 1, kInt8 = 2, kUint8 = 3, kInt32 = 4 };

// Order of a tensor's elements. kNhwc8 is TensorRT's kHWC8: channels innermost, padded to a multiple of 8;
// kNchw32 its kCHW32: [n, channels/32, height, width, 32], the channels padded to a multiple of 32.
enum class Layout : int32_t { kNchw = 0, kNhwc8 = 1, kNchw32 = 2 };

struct SpatiallyVaryingConv {
  const void* x;      // [n, channels, height, width], of `type`
  const void* w;      // [n, channels*k*k, height, width], of `type`
  const void* scale;  // [channels], of `type`; null together with shift
  const void* shift;
  void* y;  // as x
  int32_t n, channels, height, width;
  int32_t k;  // 1, 3, 5 or 7
  Type type;  // kFloat or kHalf
};

struct LayoutConv {
  const void* labels;  // [n, height, width], of `label_type`; a label outside of 0 to count - 1 adds nothing
  const void* table;   // [count, k*k, channels], of `type`
  const void* bias;    // [channels], of `type`
  void* y;             // [n, channels, ceil(height/stride), ceil(width/stride)], of `type`
  int32_t n, channels, height, width, count;
  int32_t k;        // 1, 3, 5 or 7
  int32_t stride;   // 1 or 2
  Type label_type;  // kUint8 or kInt32
  Type type;        // kFloat or kHalf
};

// k is 3. The weight is in the order [channels*9, p, p, features] ("OHWI"), so that what one tap of the
// predictor multiplies is contiguous; of p = 1 it is the operator's own order.
struct PredictedConv {
  const void* x;       // [n, channels, height, width], of `type`
  const void* h;       // [n, features, height, width] in `h_layout`, of `type`
  const void* weight;  // [channels*9, p, p, features], of `type`
  const void* bias;    // [channels*9], of `type`
  const void* scale;   // [channels], of `type`; null together with shift
  const void* shift;
  void* y;  // as x
  int32_t n, channels, features, height, width;
  int32_t p;        // 1 or 3
  Layout h_layout;  // kNchw, or with kHalf kNhwc8
  Type type;        // kFloat or kHalf
};

// h is quantized as it is read, q = clamp(round_half_even(h / h_scale), -128, 127), or is int8 already. y is
// quantized likewise as it is written, where there is a y_scale.
struct QuantizedPredictedConv {
  const void* x;              // [n, channels, height, width], of `type`
  const void* h;              // [n, features, height, width] in `h_layout`, of `h_type`
  const int8_t* weight;       // [channels*9, p, p, features]
  const float* weight_scale;  // [channels], one for the nine taps of each channel
  const void* bias;           // [channels*9], of `type`
  const void* scale;          // [channels], of `type`; null together with shift
  const void* shift;
  void* y;  // as x; with a y_scale int8 in `y_layout`
  int32_t n, channels, features, height, width;
  int32_t p;  // 1 or 3
  float h_scale;
  float y_scale;    // 0: y is of `type`
  Layout h_layout;  // kNhwc8 with an h_type of kHalf only, kNchw32 with kInt8 only
  Layout y_layout;  // kNchw; kNchw32 with a y_scale and channels in whole 32s
  Type h_type;      // `type` or kInt8
  Type type;        // kFloat or kHalf
};

// Each returns cudaErrorInvalidValue for sizes or types that its struct excludes, cudaErrorMisalignedAddress
// where on tensor cores an h of another layout than kNchw does not start at a multiple of 16 bytes or y not
// at one of two elements, and else what the launch returned. An operator on an empty tensor launches nothing.
cudaError_t launch(const SpatiallyVaryingConv& op, cudaStream_t stream);
cudaError_t launch(const LayoutConv& op, cudaStream_t stream);
cudaError_t launch(const PredictedConv& op, cudaStream_t stream);
cudaError_t launch(const QuantizedPredictedConv& op, cudaStream_t stream);

}  // namespace layoutrt::cuda
