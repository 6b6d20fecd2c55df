// Common parts of PredictedConv and QuantizedPredictedConv: inputs x [N,C,H,W], h [N,J,H,W], weight
// [C*9,p,p,J], bias [C*9], and scale and shift [C] or neither; the attribute weight_layout, which is "OHWI".
#pragma once

#include <string>

#include "tensorrt/plugins/fields.h"
#include "tensorrt/plugins/plugin.h"

namespace layoutrt::trt {

enum PredictedInput : int { kX, kH, kWeight, kBias, kScale, kShift };

constexpr const char* kWeightLayout = "weight_layout";

// Throws std::invalid_argument: another layout, or none, as in files that are not for TensorRT.
std::string read_weight_layout(const FieldReader& fields);
// Throws std::invalid_argument, whose text completes a sentence that starts with the node.
void check_predicted(const Shapes& shapes);

// Fill in what the launches have in common.
template <class Operator>
void describe_predicted(const Tensors& tensors, Operator* op) {
  op->x = tensors.inputs[kX];
  op->h = tensors.inputs[kH];
  op->bias = tensors.inputs[kBias];
  op->scale = tensors.has_affine ? tensors.inputs[kScale] : nullptr;
  op->shift = tensors.has_affine ? tensors.inputs[kShift] : nullptr;
  op->y = tensors.output;
  op->n = tensors.dim(kX, 0);
  op->channels = tensors.dim(kX, 1);
  op->height = tensors.dim(kX, 2);
  op->width = tensors.dim(kX, 3);
  op->features = tensors.dim(kH, 1);
  op->p = tensors.dim(kWeight, 1);
  op->h_layout = kernel_layout(tensors.descriptions[kH].format);
  op->type = kernel_type(tensors.descriptions[kX].type);
}

}  // namespace layoutrt::trt
