#include "operator_host.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

using layoutrt::ort::CustomOp;
using layoutrt::test::Node;
using layoutrt::test::Value;

// ONNX Runtime's opaque types, as this host has them.
struct OrtStatus {
  int code;
  std::string message;
};
struct OrtValue {
  Value value;
};
struct OrtTensorTypeAndShapeInfo {
  std::vector<int64_t> dims;
};
struct OrtCustomOpDomain {
  std::map<std::string, const CustomOp*> operators;
};
struct OrtSessionOptions {
  const OrtCustomOpDomain* domain = nullptr;
};
struct OrtOpAttr {
  std::vector<int64_t> ints;
};
struct OrtKernelInfo {
  const Node* node;
  std::vector<OrtValue> inputs;
};
struct OrtKernelContext {
  std::vector<OrtValue> inputs;
  OrtValue output;
  int output_type;
  int threads;
  int64_t most;
  bool without_memory;
};
struct OrtShapeInferContext {
  const Node* node;
  std::vector<OrtTensorTypeAndShapeInfo> inputs;
  std::map<std::string, OrtOpAttr> ints;
  OrtTensorTypeAndShapeInfo output;
};

extern "C" OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base);

namespace layoutrt::test {
namespace {

OrtStatus* fail(const char* what) {
  return std::make_unique<OrtStatus>(OrtStatus{ort::kFail, what}).release();
}

template <class Map, class T>
OrtStatus* find(const Map& map, const char* name, T* value) {
  const auto found = map.find(name);
  if (found == map.end()) return fail("no such attribute");
  *value = found->second;
  return nullptr;
}

// As ONNX Runtime has it: called without memory it says how much is needed.
template <class T>
OrtStatus* copy_array(const std::map<std::string, std::vector<T>>& map, const char* name, T* values,
                      size_t* count) {
  const auto found = map.find(name);
  if (found == map.end()) return fail("no such attribute");
  if (values != nullptr) {
    if (*count < found->second.size()) return fail("too little memory");
    std::copy(found->second.begin(), found->second.end(), values);
  }
  *count = found->second.size();
  return nullptr;
}

size_t bytes_of(int type) { return type == ort::kFloat ? 4 : 1; }

// An address that no read or write survives.
std::shared_ptr<void> nowhere() {
  return std::shared_ptr<void>(reinterpret_cast<void*>(uintptr_t{64}), [](void*) {});
}

void fill_values(ort::Functions* api) {
  api->CreateStatus = [](int code, const char* message) {
    return std::make_unique<OrtStatus>(OrtStatus{code, message}).release();
  };
  api->GetErrorCode = [](const OrtStatus* status) { return status->code; };
  api->GetErrorMessage = [](const OrtStatus* status) { return status->message.c_str(); };
  api->ReleaseStatus = [](OrtStatus* status) { std::unique_ptr<OrtStatus>{status}; };
  api->GetTensorMutableData = [](OrtValue* value, void** data) -> OrtStatus* {
    *data = value->value.data.get();
    return nullptr;
  };
  api->GetTensorTypeAndShape = [](const OrtValue* value, OrtTensorTypeAndShapeInfo** info) -> OrtStatus* {
    *info =
        std::make_unique<OrtTensorTypeAndShapeInfo>(OrtTensorTypeAndShapeInfo{value->value.dims}).release();
    return nullptr;
  };
  api->CreateTensorTypeAndShapeInfo = [](OrtTensorTypeAndShapeInfo** info) -> OrtStatus* {
    *info = std::make_unique<OrtTensorTypeAndShapeInfo>().release();
    return nullptr;
  };
  api->ReleaseTensorTypeAndShapeInfo = [](OrtTensorTypeAndShapeInfo* info) {
    std::unique_ptr<OrtTensorTypeAndShapeInfo>{info};
  };
  api->SetTensorElementType = [](OrtTensorTypeAndShapeInfo*, int) -> OrtStatus* { return nullptr; };
  api->GetDimensionsCount = [](const OrtTensorTypeAndShapeInfo* info, size_t* rank) -> OrtStatus* {
    *rank = info->dims.size();
    return nullptr;
  };
  api->GetDimensions = [](const OrtTensorTypeAndShapeInfo* info, int64_t* dims, size_t rank) -> OrtStatus* {
    std::copy_n(info->dims.begin(), std::min(rank, info->dims.size()), dims);
    return nullptr;
  };
  api->GetSymbolicDimensions = [](const OrtTensorTypeAndShapeInfo* info, const char** names,
                                  size_t rank) -> OrtStatus* {
    for (size_t i = 0; i < rank; ++i) names[i] = info->dims[i] < 0 ? "size" : "";
    return nullptr;
  };
  api->SetDimensions = [](OrtTensorTypeAndShapeInfo* info, const int64_t* dims, size_t rank) -> OrtStatus* {
    info->dims.assign(dims, dims + rank);
    return nullptr;
  };
  api->SetSymbolicDimensions = [](OrtTensorTypeAndShapeInfo* info, const char** names,
                                  size_t rank) -> OrtStatus* {
    size_t length = 0;
    for (size_t i = 0; i < rank; ++i) length += std::strlen(names[i]);
    return rank == info->dims.size() && length < 1000 ? nullptr : fail("not as many names");
  };
}

void fill_kernels(ort::Functions* api) {
  api->KernelInfoGetAttribute_float = [](const OrtKernelInfo* info, const char* name, float* value) {
    return find(info->node->numbers, name, value);
  };
  api->KernelInfoGetAttribute_int64 = [](const OrtKernelInfo* info, const char* name, int64_t* value) {
    return find(info->node->integers, name, value);
  };
  api->KernelInfoGetAttributeArray_float = [](const OrtKernelInfo* info, const char* name, float* values,
                                              size_t* count) {
    return copy_array(info->node->floats, name, values, count);
  };
  api->KernelInfoGetAttributeArray_int64 = [](const OrtKernelInfo* info, const char* name, int64_t* values,
                                              size_t* count) {
    return copy_array(info->node->ints, name, values, count);
  };
  api->KernelInfoGetConstantInput_tensor = [](const OrtKernelInfo* info, size_t index, int* is_constant,
                                              const OrtValue** value) -> OrtStatus* {
    const bool known = index < info->inputs.size() && info->inputs[index].value.constant;
    *is_constant = known;
    *value = known ? &info->inputs[index] : nullptr;
    return nullptr;
  };
  api->KernelContext_GetInputCount = [](const OrtKernelContext* context, size_t* count) -> OrtStatus* {
    *count = context->inputs.size();
    return nullptr;
  };
  api->KernelContext_GetInput = [](const OrtKernelContext* context, size_t index,
                                   const OrtValue** value) -> OrtStatus* {
    if (index >= context->inputs.size()) return fail("no such input");
    *value = context->inputs[index].value.present ? &context->inputs[index] : nullptr;
    return nullptr;
  };
  api->KernelContext_GetOutput = [](OrtKernelContext* context, size_t, const int64_t* dims, size_t rank,
                                    OrtValue** value) -> OrtStatus* {
    const std::vector<int64_t> shape(dims, dims + rank);
    const int64_t count = count_elements(shape);
    if (count < 0) return fail("a shape that no tensor can have");
    Value& output = context->output.value;
    output.without_memory = count > context->most;
    output.dims = shape;
    output.data = nowhere();
    if (!output.without_memory) output = make_value(context->output_type, shape);
    context->without_memory = context->without_memory || output.without_memory;
    *value = &context->output;
    return nullptr;
  };
  api->KernelContext_ParallelFor = [](const OrtKernelContext* context, void (*body)(void*, size_t),
                                      size_t total, size_t, void* data) -> OrtStatus* {
    if (context->without_memory) return nullptr;
    std::atomic<size_t> next{0};
    const auto work = [&] {
      for (size_t i = next++; i < total; i = next++) body(data, i);
    };
    std::vector<std::thread> helpers;
    for (int i = 1; i < context->threads; ++i) helpers.emplace_back(work);
    work();
    for (std::thread& helper : helpers) helper.join();
    return nullptr;
  };
}

void fill_inference(ort::Functions* api) {
  api->ShapeInferContext_GetInputCount = [](const OrtShapeInferContext* context,
                                            size_t* count) -> OrtStatus* {
    *count = context->inputs.size();
    return nullptr;
  };
  api->ShapeInferContext_GetInputTypeShape = [](const OrtShapeInferContext* context, size_t index,
                                                OrtTensorTypeAndShapeInfo** info) -> OrtStatus* {
    *info = const_cast<OrtTensorTypeAndShapeInfo*>(&context->inputs[index]);
    return nullptr;
  };
  api->ShapeInferContext_GetAttribute = [](const OrtShapeInferContext* context, const char* name,
                                           const OrtOpAttr** attribute) -> OrtStatus* {
    const auto found = context->ints.find(name);
    if (found == context->ints.end()) return fail("no such attribute");
    *attribute = &found->second;
    return nullptr;
  };
  api->ReadOpAttr = [](const OrtOpAttr* attribute, int, void* data, size_t bytes,
                       size_t* needed) -> OrtStatus* {
    *needed = attribute->ints.size() * sizeof(int64_t);
    if (*needed > bytes) return fail("too little memory");
    if (*needed > 0) std::memcpy(data, attribute->ints.data(), *needed);
    return nullptr;
  };
  api->ShapeInferContext_SetOutputTypeShape = [](const OrtShapeInferContext* context, size_t,
                                                 const OrtTensorTypeAndShapeInfo* info) -> OrtStatus* {
    const_cast<OrtShapeInferContext*>(context)->output = *info;
    return nullptr;
  };
}

void fill_registration(ort::Functions* api) {
  api->CreateCustomOpDomain = [](const char*, OrtCustomOpDomain** domain) -> OrtStatus* {
    static OrtCustomOpDomain only;
    *domain = &only;
    return nullptr;
  };
  api->CustomOpDomain_Add = [](OrtCustomOpDomain* domain, const CustomOp* op) -> OrtStatus* {
    domain->operators[op->GetName(op)] = op;
    return nullptr;
  };
  api->AddCustomOpDomain = [](OrtSessionOptions* options, OrtCustomOpDomain* domain) -> OrtStatus* {
    options->domain = domain;
    return nullptr;
  };
}

// The functions above at their slots; the others are null.
const OrtApi* api_table(uint32_t) {
  static void* table[300] = {};
  if (table[0] == nullptr) {
    ort::Functions api(reinterpret_cast<const OrtApi*>(&table));
    fill_values(&api);
    fill_kernels(&api);
    fill_inference(&api);
    fill_registration(&api);
#define LRT_STORE(slot, result, name, parameters) table[slot] = reinterpret_cast<void*>(api.name);
    LRT_ORT_FUNCTIONS(LRT_STORE)
#undef LRT_STORE
  }
  return reinterpret_cast<const OrtApi*>(&table);
}

const std::map<std::string, const CustomOp*>& operators() {
  static const auto registered = [] {
    const OrtApiBase base{api_table, [] { return "made up"; }};
    OrtSessionOptions options;
    if (RegisterCustomOps(&options, &base) != nullptr) std::abort();
    return options.domain->operators;
  }();
  return registered;
}

std::string take_message(OrtStatus* status) {
  const std::unique_ptr<OrtStatus> owner(status);
  return status->message;
}

std::vector<OrtValue> wrap(const std::vector<Value>& values) {
  std::vector<OrtValue> wrapped;
  for (const Value& value : values) wrapped.push_back({value});
  return wrapped;
}

}  // namespace

int64_t count_elements(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) return -1;
  }
  int64_t bytes = 0;
  return __builtin_mul_overflow(count, int64_t{4}, &bytes) ? -1 : count;
}

Value make_value(int type, std::vector<int64_t> dims) {
  Value value;
  const int64_t count = count_elements(dims);
  if (count < 0) std::abort();
  value.dims = std::move(dims);
  value.type = type;
  value.data = std::shared_ptr<void>(std::calloc(static_cast<size_t>(count), bytes_of(type)), std::free);
  return value;
}

Value absent() {
  Value value;
  value.present = false;
  return value;
}

size_t byte_count(const Value& value) {
  return static_cast<size_t>(count_elements(value.dims)) * bytes_of(value.type);
}

const std::map<std::string, std::vector<InputKind>>& registered_operators() {
  static const auto kinds = [] {
    std::map<std::string, std::vector<InputKind>> made;
    for (const auto& [name, op] : operators()) {
      for (size_t i = 0; i < op->GetInputTypeCount(op); ++i) {
        made[name].push_back({op->GetInputType(op, i), op->GetInputCharacteristic(op, i) == 1});
      }
    }
    return made;
  }();
  return kinds;
}

Result run(const Node& node, int threads, int64_t most) {
  const CustomOp* op = operators().at(node.op);
  Node given = node;
  const auto type = op->GetOutputType(op, 0);
  OrtKernelContext context{{}, {}, type, threads, most, false};
  for (Value& value : given.inputs) {
    if (!value.without_memory) continue;
    value.data = nowhere();
    context.without_memory = true;
  }
  context.inputs = wrap(given.inputs);
  const OrtKernelInfo info{&given, context.inputs};
  void* kernel = nullptr;
  Result result;
  if (OrtStatus* status = op->CreateKernelV2(op, nullptr, &info, &kernel)) {
    result.error = take_message(status);
    return result;
  }
  if (OrtStatus* status = op->KernelComputeV2(kernel, &context)) {
    result.error = take_message(status);
  } else {
    result.y = context.output.value;
  }
  op->KernelDestroy(kernel);
  return result;
}

std::vector<int64_t> infer(const Node& node, std::string* error) {
  const CustomOp* op = operators().at(node.op);
  OrtShapeInferContext context{&node, {}, {}, {}};
  for (const Value& value : node.inputs) {
    context.inputs.push_back({value.present ? value.dims : std::vector<int64_t>{}});
  }
  for (const auto& [name, values] : node.ints) context.ints[name] = {values};
  if (OrtStatus* status = op->InferOutputShapeFn(op, &context)) {
    *error = take_message(status);
    return {};
  }
  return context.output.dims;
}

}  // namespace layoutrt::test
