#include "tensorrt/plugins/predicted_kernels.h"

#include <stdexcept>

#include "tensorrt/plugins/shape_check.h"

namespace layoutrt::trt {

std::string read_weight_layout(const FieldReader& fields) {
  std::string layout = fields.text(kWeightLayout);
  if (layout != "OHWI") {
    throw std::invalid_argument("the attribute 'weight_layout' must be 'OHWI', got '" + layout +
                                "'; write the file with layoutrt calibrate --target tensorrt");
  }
  return layout;
}

void check_predicted(const Shapes& shapes) {
  const nvinfer1::Dims& x = shapes.inputs[kX];
  const nvinfer1::Dims& h = shapes.inputs[kH];
  const nvinfer1::Dims& weight = shapes.inputs[kWeight];
  require_rank("x", x, 4);
  require_rank("h", h, 4);
  require_rank("weight", weight, 4);
  for (const int32_t axis : {0, 2, 3}) require_dim("h", h, axis, x.d[axis]);
  const int64_t channels = x.d[1];
  const int64_t taps = times(channels, 9);
  require_dim("weight", weight, 0, taps);
  if (weight.d[1] != weight.d[2] || (weight.d[1] != 1 && weight.d[1] != 3)) {
    throw std::invalid_argument("has the tensor weight " + text(weight) +
                                ", which must be [C*9, p, p, J] with p = 1 or 3");
  }
  require_dim("weight", weight, 3, h.d[1]);
  require_vector("bias", shapes.inputs[kBias], taps);
  for (size_t i = kScale; i < shapes.inputs.size(); ++i) {
    require_vector(i == kScale ? "scale" : "shift", shapes.inputs[i], channels);
  }
  require_same("y", shapes.output, "x", x);
}

}  // namespace layoutrt::trt
