#include "operators/shape_inference.h"

#include <atomic>
#include <memory>

#include "onnxruntime/status.h"

namespace layoutrt::operators {
namespace {

// ONNX Runtime takes an output without a shape for a scalar, and equal names for equal sizes. A dimension
// that nothing is known of therefore gets a name that no other has.
std::string fresh_name() {
  static std::atomic<uint64_t> count{0};
  return "layoutrt_dim_" + std::to_string(count++);
}

}  // namespace

std::vector<Dimension> ShapeInference::input(size_t index) const {
  size_t count = 0;
  ort::check(api_, api_.ShapeInferContext_GetInputCount(context_, &count));
  if (index >= count) return {};
  OrtTensorTypeAndShapeInfo* info = nullptr;  // belongs to the context
  ort::check(api_, api_.ShapeInferContext_GetInputTypeShape(context_, index, &info));
  size_t rank = 0;
  ort::check(api_, api_.GetDimensionsCount(info, &rank));
  if (rank == 0) return {};
  std::vector<int64_t> sizes(rank);
  std::vector<const char*> names(rank);
  ort::check(api_, api_.GetDimensions(info, sizes.data(), rank));
  ort::check(api_, api_.GetSymbolicDimensions(info, names.data(), rank));
  std::vector<Dimension> dimensions(rank);
  for (size_t i = 0; i < rank; ++i) {
    dimensions[i].size = sizes[i];
    if (sizes[i] < 0 && names[i] != nullptr) dimensions[i].name = names[i];
  }
  return dimensions;
}

std::vector<int64_t> ShapeInference::ints(const char* name) const {
  const OrtOpAttr* attribute = nullptr;
  if (OrtStatus* absent = api_.ShapeInferContext_GetAttribute(context_, name, &attribute)) {
    api_.ReleaseStatus(absent);
    return {};
  }
  std::vector<int64_t> values(8);
  size_t bytes = 0;
  ort::check(api_, api_.ReadOpAttr(attribute, ort::kAttributeInts, values.data(),
                                   values.size() * sizeof(int64_t), &bytes));
  values.resize(bytes / sizeof(int64_t));
  return values;
}

void ShapeInference::set_output(std::vector<Dimension> dimensions) const {
  if (dimensions.empty()) dimensions.resize(4);
  std::vector<int64_t> sizes;
  std::vector<const char*> names;
  std::vector<std::string> fresh(dimensions.size());
  for (size_t i = 0; i < dimensions.size(); ++i) {
    const Dimension& dimension = dimensions[i];
    if (!dimension.known()) fresh[i] = fresh_name();
    sizes.push_back(dimension.size);
    names.push_back(dimension.known() ? dimension.name.c_str() : fresh[i].c_str());
  }
  OrtTensorTypeAndShapeInfo* info = nullptr;
  ort::check(api_, api_.CreateTensorTypeAndShapeInfo(&info));
  const std::unique_ptr<OrtTensorTypeAndShapeInfo, void (*)(OrtTensorTypeAndShapeInfo*)> owner(
      info, api_.ReleaseTensorTypeAndShapeInfo);
  ort::check(api_, api_.SetTensorElementType(info, output_type_));
  ort::check(api_, api_.SetDimensions(info, sizes.data(), sizes.size()));
  ort::check(api_, api_.SetSymbolicDimensions(info, names.data(), names.size()));
  ort::check(api_, api_.ShapeInferContext_SetOutputTypeShape(context_, 0, info));
}

}  // namespace layoutrt::operators
