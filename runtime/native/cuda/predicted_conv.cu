// PredictedConv: on tensor cores for halves, by multiply-adds for floats.
#include "operators.h"
#include "predicted_conv_float.cuh"
#include "predicted_conv_tensor.cuh"

namespace layoutrt::cuda {

cudaError_t launch(const PredictedConv& op, cudaStream_t stream) {
  if (op.n < 0 || op.channels < 0 || op.height < 0 || op.width < 0) return cudaErrorInvalidValue;
  if (op.features < 1 || op.features > INT32_MAX / 64 || (op.p != 1 && op.p != 3))
    return cudaErrorInvalidValue;
  if ((op.scale == nullptr) != (op.shift == nullptr)) return cudaErrorInvalidValue;
  if (op.type != Type::kFloat && op.type != Type::kHalf) return cudaErrorInvalidValue;
  const bool channels_last = op.h_layout == Layout::kNhwc8;
  if (!channels_last && op.h_layout != Layout::kNchw) return cudaErrorInvalidValue;
  if (channels_last && op.type != Type::kHalf) return cudaErrorInvalidValue;
  if (op.n == 0 || op.channels == 0 || op.height == 0 || op.width == 0) return cudaSuccess;
  if (op.type == Type::kFloat) return op.p == 1 ? launch_float<1>(op, stream) : launch_float<3>(op, stream);
  PredictorParameters p = predictor_parameters<__half>(op);
  p.h_type = Type::kHalf;
  return launch_predictor<__half, __half>(p, op.p, stream);
}

}  // namespace layoutrt::cuda
