#include "tensorrt/plugins/spatially_varying_conv.h"

#include <stdexcept>

#include "tensorrt/plugins/kernel_size.h"
#include "tensorrt/plugins/shape_check.h"

namespace layoutrt::trt {
namespace {

enum Input : int { kX, kW, kScale, kShift };

}  // namespace

SpatiallyVaryingConv::SpatiallyVaryingConv(const char* layer, const FieldReader&)
    : Plugin(kName, layer, {Role::kFloat, Role::kFloat, Role::kFloat, Role::kFloat}, "") {}

void SpatiallyVaryingConv::check(const Shapes& shapes) const {
  const nvinfer1::Dims& x = shapes.inputs[kX];
  const nvinfer1::Dims& w = shapes.inputs[kW];
  require_rank("x", x, 4);
  require_rank("w", w, 4);
  for (const int32_t axis : {0, 2, 3}) require_dim("w", w, axis, x.d[axis]);
  const int64_t channels = x.d[1];
  if (channels > 0 && w.d[1] >= 0) {
    if (w.d[1] % channels != 0) {
      throw std::invalid_argument("has the tensor w " + text(w) + ", whose channels are not a multiple of " +
                                  std::to_string(channels));
    }
    kernel_size(w.d[1] / channels);
  }
  for (size_t i = kScale; i < shapes.inputs.size(); ++i) {
    require_vector(i == kScale ? "scale" : "shift", shapes.inputs[i], channels);
  }
  require_same("y", shapes.output, "x", x);
}

void SpatiallyVaryingConv::output_shape(const nvinfer1::DimsExprs* inputs, nvinfer1::DimsExprs* output,
                                        nvinfer1::IExprBuilder&) const {
  *output = inputs[kX];
}

cudaError_t SpatiallyVaryingConv::launch(const Tensors& tensors, cudaStream_t stream) const {
  cuda::SpatiallyVaryingConv op{};
  op.x = tensors.inputs[kX];
  op.w = tensors.inputs[kW];
  op.scale = tensors.has_affine ? tensors.inputs[kScale] : nullptr;
  op.shift = tensors.has_affine ? tensors.inputs[kShift] : nullptr;
  op.y = tensors.output;
  op.n = tensors.dim(kX, 0);
  op.channels = tensors.dim(kX, 1);
  op.height = tensors.dim(kX, 2);
  op.width = tensors.dim(kX, 3);
  op.k = op.channels == 0 ? 1 : kernel_size(tensors.dim(kW, 1) / op.channels);
  op.type = kernel_type(tensors.descriptions[kX].type);
  return cuda::launch(op, stream);
}

}  // namespace layoutrt::trt
