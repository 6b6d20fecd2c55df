// QuantizedPredictedConv: 8-bit products on tensor cores; x, what is predicted and y are floating point.
#include "operators.h"
#include "predicted_conv_tensor.cuh"

namespace layoutrt::cuda {

cudaError_t launch(const QuantizedPredictedConv& op, cudaStream_t stream) {
  constexpr int kMostProducts = 32768;  // that an int32 holds the sum of, whatever they are
  if (op.n < 0 || op.channels < 0 || op.height < 0 || op.width < 0) return cudaErrorInvalidValue;
  if (op.features < 1 || (op.p != 1 && op.p != 3)) return cudaErrorInvalidValue;
  if (op.features > kMostProducts / (op.p * op.p)) return cudaErrorInvalidValue;
  if ((op.scale == nullptr) != (op.shift == nullptr)) return cudaErrorInvalidValue;
  if (!(op.h_scale > 0.0f) || !(op.y_scale >= 0.0f)) return cudaErrorInvalidValue;
  const bool in_32s = op.y_layout == Layout::kNchw32 && op.y_scale > 0.0f && op.channels % 32 == 0;
  if (op.y_layout != Layout::kNchw && !in_32s) return cudaErrorInvalidValue;
  if (op.type != Type::kFloat && op.type != Type::kHalf) return cudaErrorInvalidValue;
  if (op.h_type != op.type && op.h_type != Type::kInt8) return cudaErrorInvalidValue;
  switch (op.h_layout) {
    case Layout::kNchw: break;
    case Layout::kNhwc8:
      if (op.h_type != Type::kHalf) return cudaErrorInvalidValue;
      break;
    case Layout::kNchw32:
      if (op.h_type != Type::kInt8) return cudaErrorInvalidValue;
      break;
    default: return cudaErrorInvalidValue;
  }
  if (op.n == 0 || op.channels == 0 || op.height == 0 || op.width == 0) return cudaSuccess;
  PredictorParameters p = predictor_parameters<int8_t>(op);
  p.weight_scale = op.weight_scale;
  p.h_scale = op.h_scale;
  p.y_scale = op.y_scale;
  p.y_layout = op.y_layout;
  p.h_type = op.h_type;
  if (op.type == Type::kFloat) return launch_predictor<int8_t, float>(p, op.p, stream);
  return launch_predictor<int8_t, __half>(p, op.p, stream);
}

}  // namespace layoutrt::cuda
