#include "operators/kernel_context.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "error.h"
#include "onnxruntime/status.h"

namespace layoutrt::operators {
namespace {

// Only an empty tensor can have a larger dimension. Below, what operators multiply a dimension by fits too.
constexpr int64_t kMaxDimension = int64_t{1} << 48;

Tensor read_tensor(const ort::Functions& api, const OrtValue* value) {
  OrtTensorTypeAndShapeInfo* info = nullptr;
  ort::check(api, api.GetTensorTypeAndShape(value, &info));
  Tensor tensor;
  size_t rank = 0;
  OrtStatus* status = api.GetDimensionsCount(info, &rank);
  if (status == nullptr) {
    tensor.shape.resize(rank);
    status = api.GetDimensions(info, tensor.shape.data(), rank);
  }
  api.ReleaseTensorTypeAndShapeInfo(info);
  ort::check(api, status);
  for (const int64_t dim : tensor.shape) {
    if (dim > kMaxDimension) {
      throw Error(LRT_INVALID_ARGUMENT, "a tensor of shape " + to_string(tensor.shape) + " is too large");
    }
  }
  void* data = nullptr;
  ort::check(api, api.GetTensorMutableData(const_cast<OrtValue*>(value), &data));
  tensor.data = data;
  return tensor;
}

}  // namespace

std::string to_string(const int64_t* dims, size_t count) {
  std::string text = "[";
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) text += ", ";
    text += dims[i] < 0 ? "?" : std::to_string(dims[i]);
  }
  return text + "]";
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

void require_shape(const char* op, const char* input, const char* form, const Shape& expected,
                   const Shape& actual) {
  bool same = expected.size() == actual.size();
  for (size_t i = 0; same && i < expected.size(); ++i) same = expected[i] < 0 || expected[i] == actual[i];
  if (same) return;
  std::string sentence = std::string(op) + ": " + input + " must be " + form;
  if (std::any_of(expected.begin(), expected.end(), [](int64_t dim) { return dim >= 0; })) {
    sentence += " = " + to_string(expected);
  }
  throw Error(LRT_INVALID_ARGUMENT, sentence + ", got " + to_string(actual));
}

void require_channels(const char* op, const char* input, const Shape& shape) {
  if (shape[1] > 0) return;
  throw Error(LRT_INVALID_ARGUMENT,
              std::string(op) + ": " + input + " must have at least one channel, got " + to_string(shape));
}

bool KernelContext::has_input(size_t index) const {
  size_t count = 0;
  ort::check(api_, api_.KernelContext_GetInputCount(context_, &count));
  if (index >= count) return false;
  const OrtValue* value = nullptr;
  ort::check(api_, api_.KernelContext_GetInput(context_, index, &value));
  return value != nullptr;
}

Tensor KernelContext::input(size_t index) const {
  const OrtValue* value = nullptr;
  ort::check(api_, api_.KernelContext_GetInput(context_, index, &value));
  return read_tensor(api_, value);
}

void* KernelContext::output_data(const Shape& shape) const {
  OrtValue* value = nullptr;
  ort::check(api_, api_.KernelContext_GetOutput(context_, 0, shape.data(), shape.size(), &value));
  void* data = nullptr;
  ort::check(api_, api_.GetTensorMutableData(value, &data));
  return data;
}

void KernelContext::run_parallel(int64_t total, void (*body)(void*, size_t), void* data) const {
  if (total <= 0) return;
  // More batches than threads, so that a thread which falls behind is helped by the others.
  constexpr int64_t kBatches = 128;
  const size_t batches = static_cast<size_t>(std::min(total, kBatches));
  ort::check(api_, api_.KernelContext_ParallelFor(context_, body, static_cast<size_t>(total), batches, data));
}

bool KernelInfo::constant_input(size_t index, Tensor* tensor) const {
  int is_constant = 0;
  const OrtValue* value = nullptr;
  ort::check(api_, api_.KernelInfoGetConstantInput_tensor(info_, index, &is_constant, &value));
  if (!is_constant || value == nullptr) return false;
  *tensor = read_tensor(api_, value);
  return true;
}

std::vector<int64_t> KernelInfo::ints(const char* name) const {
  size_t count = 0;
  if (OrtStatus* absent = api_.KernelInfoGetAttributeArray_int64(info_, name, nullptr, &count)) {
    api_.ReleaseStatus(absent);
    return {};
  }
  std::vector<int64_t> values(count);
  if (count > 0) ort::check(api_, api_.KernelInfoGetAttributeArray_int64(info_, name, values.data(), &count));
  return values;
}

std::vector<float> KernelInfo::floats(const char* name) const {
  size_t count = 0;
  if (OrtStatus* absent = api_.KernelInfoGetAttributeArray_float(info_, name, nullptr, &count)) {
    api_.ReleaseStatus(absent);
    return {};
  }
  std::vector<float> values(count);
  if (count > 0) ort::check(api_, api_.KernelInfoGetAttributeArray_float(info_, name, values.data(), &count));
  return values;
}

std::optional<int64_t> KernelInfo::integer(const char* name) const {
  int64_t value = 0;
  OrtStatus* absent = api_.KernelInfoGetAttribute_int64(info_, name, &value);
  if (absent == nullptr) return value;
  api_.ReleaseStatus(absent);
  return std::nullopt;
}

std::optional<float> KernelInfo::number(const char* name) const {
  float value = 0.0f;
  OrtStatus* absent = api_.KernelInfoGetAttribute_float(info_, name, &value);
  if (absent == nullptr) return value;
  api_.ReleaseStatus(absent);
  return std::nullopt;
}

#ifdef LRT_EXACT_SCRATCH
constexpr bool kExactScratch = true;  // so that a sanitizer sees what lies behind
#else
constexpr bool kExactScratch = false;
#endif

float* thread_scratch(size_t bytes) {
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  thread_local std::unique_ptr<void, Free> memory;
  thread_local size_t capacity = 0;
  if (bytes > capacity || kExactScratch) {
    memory.reset();
    capacity = 0;
    void* grown = nullptr;
    if (posix_memalign(&grown, 64, bytes) != 0) throw std::bad_alloc();
    memory.reset(grown);
    capacity = bytes;
  }
  return static_cast<float*>(memory.get());
}

}  // namespace layoutrt::operators
