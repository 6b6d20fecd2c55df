// What the plugins answer TensorRT, and what they refuse:
//
//   test_plugins liblayoutrt_trt.so

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "expect.h"
#include "expressions.h"
#include "fake_cuda.h"
#include "registry.h"

const char* lrt_last_error(void) { return ""; }

namespace {

using namespace nvinfer1;

struct Logger final : ILogger {
  std::string last;
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kERROR) last = message;
  }
};

Logger logger;
doubles::Registry registry;

using Plugin = std::unique_ptr<IPluginV3>;
using Field = PluginField;

const int32_t kStride1[] = {1, 1};
const int32_t kStride2[] = {2, 2};
const int32_t kStride3[] = {3, 3};
const float kScale = 0.05F;
const float kZero = 0;
const float kNegative = -1;
const float kScales[] = {0.1F, 0.2F};
const int32_t kSymmetric = 128;

const Field kLayout("weight_layout", "OHWI", PluginFieldType::kCHAR, 4);

std::vector<Field> quantized_fields() {
  return {kLayout, Field("h_scale", &kScale, PluginFieldType::kFLOAT32, 1),
          Field("h_zero_point", &kSymmetric, PluginFieldType::kINT32, 1),
          Field("weight_scale", kScales, PluginFieldType::kFLOAT32, 2)};
}

Plugin create(const char* name, std::vector<Field> fields, TensorRTPhase phase = TensorRTPhase::kBUILD) {
  auto* creator = static_cast<IPluginCreatorV3One*>(registry.getCreator(name, "1", "layoutrt"));
  const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  logger.last.clear();
  return Plugin(creator->createPlugin("node_7", &collection, phase));
}

IPluginV3OneBuild& build(const Plugin& plugin) {
  return *static_cast<IPluginV3OneBuild*>(plugin->getCapabilityInterface(PluginCapabilityType::kBUILD));
}

IPluginV3OneRuntime& runtime(const Plugin& plugin) {
  return *static_cast<IPluginV3OneRuntime*>(plugin->getCapabilityInterface(PluginCapabilityType::kRUNTIME));
}

struct Io {
  DataType type;
  TensorFormat format = TensorFormat::kLINEAR;
};

// Whether every position is supported in the order in which TensorRT asks.
bool supported(const Plugin& plugin, const std::vector<Io>& tensors) {
  std::vector<DynamicPluginTensorDesc> all;
  for (const Io& tensor : tensors) all.push_back({{{}, tensor.type, tensor.format, 0}, {}, {}, {}});
  const auto count = static_cast<int32_t>(all.size()) - 1;
  for (int32_t i = 0; i <= count; ++i) {
    // What stands behind a position has no values yet.
    auto seen = all;
    for (size_t after = static_cast<size_t>(i) + 1; after < seen.size(); ++after) {
      seen[after].desc.type = static_cast<DataType>(-1);
      seen[after].desc.format = static_cast<TensorFormat>(-1);
    }
    if (!build(plugin).supportsFormatCombination(i, seen.data(), count, 1)) return false;
  }
  return true;
}

PluginTensorDesc tensor(std::vector<int64_t> dims, DataType type = DataType::kHALF) {
  PluginTensorDesc description{{}, type, TensorFormat::kLINEAR, 0};
  for (const int64_t dim : dims) description.dims.d[description.dims.nbDims++] = dim;
  return description;
}

bool takes(const Plugin& plugin, const std::vector<PluginTensorDesc>& inputs,
           const PluginTensorDesc& output) {
  logger.last.clear();
  return runtime(plugin).onShapeChange(inputs.data(), static_cast<int32_t>(inputs.size()), &output, 1) == 0;
}

#define EXPECT_SAID(text) EXPECT_THAT(logger.last.find(text) != std::string::npos, "said: " + logger.last)

constexpr DataType kF32 = DataType::kFLOAT;
constexpr DataType kF16 = DataType::kHALF;
constexpr DataType kI8 = DataType::kINT8;
constexpr DataType kI32 = DataType::kINT32;
constexpr TensorFormat kHwc8 = TensorFormat::kHWC8;
constexpr TensorFormat kChw32 = TensorFormat::kCHW32;

void formats_are_those_of_the_kernels() {
  const Plugin layout = create("LayoutConv", {Field("strides", kStride1, PluginFieldType::kINT32, 2)});
  EXPECT(supported(layout, {{kI32}, {kF32}, {kF32}, {kF32}}));
  EXPECT(supported(layout, {{kI32}, {kF16}, {kF16}, {kF16}}));
  EXPECT(!supported(layout, {{DataType::kUINT8}, {kF16}, {kF16}, {kF16}}));
  EXPECT(!supported(layout, {{kI32}, {kF16}, {kF32}, {kF16}}));
  EXPECT(!supported(layout, {{kI32}, {kF16}, {kF16}, {kF32}}));
  EXPECT(!supported(layout, {{kI32}, {kF16}}));  // a node without its bias

  const Plugin svc = create("SpatiallyVaryingConv", {});
  EXPECT(supported(svc, {{kF16}, {kF16}, {kF16}}));
  EXPECT(supported(svc, {{kF32}, {kF32}, {kF32}, {kF32}, {kF32}}));
  EXPECT(!supported(svc, {{kF16}, {kF16, kHwc8}, {kF16}}));
  EXPECT(!supported(svc, {{kF16}, {kF16}, {kF16}, {kF16}}));  // a scale without a shift
  EXPECT(!supported(svc, {{kI8}, {kI8}, {kI8}}));
  EXPECT(!supported(svc, {{DataType::kBF16}, {DataType::kBF16}, {DataType::kBF16}}));

  const Plugin predicted = create("PredictedConv", {kLayout});
  EXPECT(supported(predicted, {{kF16}, {kF16}, {kF16}, {kF16}, {kF16}}));
  EXPECT(supported(predicted, {{kF16}, {kF16, kHwc8}, {kF16}, {kF16}, {kF16}, {kF16}, {kF16}}));
  EXPECT(!supported(predicted, {{kF16, kHwc8}, {kF16}, {kF16}, {kF16}, {kF16}}));
  EXPECT(!supported(predicted, {{kF32}, {kF32, kHwc8}, {kF32}, {kF32}, {kF32}}));
  EXPECT(!supported(predicted, {{kF16}, {kI8}, {kF16}, {kF16}, {kF16}}));

  const Plugin quantized = create("QuantizedPredictedConv", quantized_fields());
  EXPECT(supported(quantized, {{kF16}, {kF16}, {kI8}, {kF16}, {kF16}}));
  EXPECT(supported(quantized, {{kF16}, {kF16, kHwc8}, {kI8}, {kF16}, {kF16}}));
  EXPECT(supported(quantized, {{kF16}, {kI8}, {kI8}, {kF16}, {kF16}}));
  EXPECT(supported(quantized, {{kF32}, {kF32}, {kI8}, {kF32}, {kF32}}));
  EXPECT(supported(quantized, {{kF16}, {kI8, kChw32}, {kI8}, {kF16}, {kF16}}));
  EXPECT(!supported(quantized, {{kF16}, {kI8, kHwc8}, {kI8}, {kF16}, {kF16}}));
  EXPECT(!supported(quantized, {{kF16}, {kF16, kChw32}, {kI8}, {kF16}, {kF16}}));
  EXPECT(!supported(quantized, {{kF16}, {kF16}, {kF16}, {kF16}, {kF16}}));
  EXPECT(!supported(quantized, {{kF16}, {kF16}, {kI8}, {kF16}, {kI8}}));

  auto fields = quantized_fields();
  fields.emplace_back("y_scale", &kScale, PluginFieldType::kFLOAT32, 1);
  const Plugin levels = create("QuantizedPredictedConv", fields);
  EXPECT(supported(levels, {{kF16}, {kI8}, {kI8}, {kF16}, {kI8}}));
  EXPECT(!supported(levels, {{kF16}, {kI8}, {kI8}, {kF16}, {kF16}}));
  EXPECT(!supported(levels, {{kF16}, {kI8}, {kI8}, {kF16}, {kI8, kChw32}}));  // of 2 channels
  const std::vector<float> scales(64, kScale);
  fields[3] = Field("weight_scale", scales.data(), PluginFieldType::kFLOAT32, 64);
  const Plugin wide = create("QuantizedPredictedConv", fields);
  EXPECT(supported(wide, {{kF16}, {kI8}, {kI8}, {kF16}, {kI8, kChw32}}));
  EXPECT(!supported(wide, {{kF16}, {kI8}, {kI8}, {kF16}, {kI8, kHwc8}}));
  const DataType types[] = {kF16, kI8, kI8, kF16};
  DataType type{};
  EXPECT(build(wide).getOutputDataTypes(&type, 1, types, 4) == 0 && type == kI8);
}

void fields_that_are_missing_or_wrong_are_refused() {
  EXPECT(create("LayoutConv", {}) == nullptr);
  EXPECT_SAID("LayoutConv 'node_7' of the network cannot be made: the attribute 'strides' is missing");
  EXPECT(create("LayoutConv", {}, TensorRTPhase::kRUNTIME) == nullptr);
  EXPECT_SAID("of the engine");
  EXPECT(create("LayoutConv", {Field("strides", &kScale, PluginFieldType::kFLOAT32, 1)}) == nullptr);
  EXPECT_SAID("'strides' must be of int32");
  EXPECT(create("LayoutConv", {Field("strides", kStride3, PluginFieldType::kINT32, 2)}) == nullptr);
  EXPECT_SAID("[1, 1] or [2, 2]");
  EXPECT(create("PredictedConv", {}) == nullptr);
  EXPECT_SAID("'weight_layout' is missing");
  EXPECT(create("PredictedConv", {Field("weight_layout", "OIHW", PluginFieldType::kCHAR, 4)}) == nullptr);
  EXPECT_SAID("must be 'OHWI', got 'OIHW'");
  auto fields = quantized_fields();
  fields[1].data = &kZero;
  EXPECT(create("QuantizedPredictedConv", fields) == nullptr);
  EXPECT_SAID("not a positive number");
  fields = quantized_fields();
  fields[2].data = kStride1;
  EXPECT(create("QuantizedPredictedConv", fields) == nullptr);
  EXPECT_SAID("'h_zero_point' must be 128, got 1");
  fields = quantized_fields();
  fields.emplace_back("y_scale", &kNegative, PluginFieldType::kFLOAT32, 1);
  EXPECT(create("QuantizedPredictedConv", fields) == nullptr);
  EXPECT_SAID("not a positive number");
  fields = quantized_fields();
  fields.erase(fields.begin() + 2);  // which has a default
  EXPECT(create("QuantizedPredictedConv", fields) != nullptr);
  fields.pop_back();
  EXPECT(create("QuantizedPredictedConv", fields) == nullptr);
  EXPECT_SAID("'weight_scale' is missing");
}

void shapes_that_do_not_fit_are_refused() {
  const Plugin svc = create("SpatiallyVaryingConv", {});
  const PluginTensorDesc x = tensor({1, 2, 4, 6});
  EXPECT(takes(svc, {x, tensor({1, 18, 4, 6})}, x));
  EXPECT(!takes(svc, {x, tensor({1, 18, 4, 5})}, x));
  EXPECT_SAID("SpatiallyVaryingConv 'node_7' has the tensor w [1, 18, 4, 5], whose dimension 3 must be 6");
  EXPECT(!takes(svc, {x, tensor({1, 32, 4, 6})}, x));
  EXPECT_SAID("kernels of 16 taps");
  EXPECT(!takes(svc, {x, tensor({1, 19, 4, 6})}, x));
  EXPECT_SAID("not a multiple of 2");
  EXPECT(!takes(svc, {x, tensor({1, 18, 4, 6}), tensor({2}), tensor({3})}, x));
  EXPECT_SAID("shift [3]");
  EXPECT(!takes(svc, {x, tensor({1, 18, 4, 6})}, tensor({1, 2, 4, 4})));
  EXPECT_SAID("the shape of x");
  EXPECT(!takes(svc, {tensor({2, 4, 6}), tensor({1, 18, 4, 6})}, x));
  EXPECT_SAID("must have 4 dimensions");
  EXPECT(!takes(svc, {tensor({1, 2, 4, int64_t{1} << 31}), tensor({1, 18, 4, 6})}, x));
  EXPECT_SAID("2^31 - 1");

  const Plugin layout = create("LayoutConv", {Field("strides", kStride2, PluginFieldType::kINT32, 2)});
  const PluginTensorDesc labels = tensor({1, 5, 7}, kI32);
  EXPECT(takes(layout, {labels, tensor({4, 9, 3}), tensor({3})}, tensor({1, 3, 3, 4})));
  EXPECT(!takes(layout, {labels, tensor({4, 8, 3}), tensor({3})}, tensor({1, 3, 3, 4})));
  EXPECT_SAID("8 taps");
  EXPECT(!takes(layout, {labels, tensor({4, 9, 3}), tensor({4})}, tensor({1, 3, 3, 4})));
  EXPECT_SAID("bias [4]");

  const Plugin predicted = create("PredictedConv", {kLayout});
  const PluginTensorDesc h = tensor({1, 5, 4, 6});
  EXPECT(takes(predicted, {x, h, tensor({18, 3, 3, 5}), tensor({18})}, x));
  EXPECT(!takes(predicted, {x, h, tensor({18, 5, 3, 3}), tensor({18})}, x));  // the ONNX operator's own order
  EXPECT_SAID("[C*9, p, p, J]");
  EXPECT(!takes(predicted, {x, h, tensor({18, 3, 3, 4}), tensor({18})}, x));
  EXPECT_SAID("weight [18, 3, 3, 4], whose dimension 3 must be 5");
  EXPECT(!takes(predicted, {x, h, tensor({18, 3, 3, 5}), tensor({17})}, x));
  EXPECT_SAID("bias [17]");

  const Plugin quantized = create("QuantizedPredictedConv", quantized_fields());
  const PluginTensorDesc weight = tensor({18, 3, 3, 5}, kI8);
  EXPECT(takes(quantized, {x, h, weight, tensor({18})}, x));
  const PluginTensorDesc wide = tensor({1, 3, 4, 6});
  EXPECT(!takes(quantized, {wide, h, tensor({27, 3, 3, 5}, kI8), tensor({27})}, wide));
  EXPECT_SAID("dimension 1 must be 2");
  const PluginTensorDesc many = tensor({1, 4000, 4, 6});
  EXPECT(!takes(quantized, {x, many, tensor({18, 3, 3, 4000}, kI8), tensor({18})}, x));
  EXPECT_SAID("32768 products");

  // While an engine is built, sizes may be unknown.
  std::vector<DynamicPluginTensorDesc> dynamic;
  for (const auto& dims : {tensor({-1, 2, -1, -1}), tensor({-1, 18, -1, -1}), tensor({-1, 2, -1, -1})}) {
    dynamic.push_back({dims, dims.dims, dims.dims, dims.dims});
  }
  EXPECT(build(svc).configurePlugin(dynamic.data(), 2, &dynamic[2], 1) == 0);
  dynamic[1].desc.dims.d[1] = 20;
  EXPECT(build(svc).configurePlugin(dynamic.data(), 2, &dynamic[2], 1) != 0);
}

void the_output_of_a_strided_layout_is_rounded_up() {
  const Plugin layout = create("LayoutConv", {Field("strides", kStride2, PluginFieldType::kINT32, 2)});
  harness::Expressions expressions;
  const DimsExprs shapes[] = {expressions.of(tensor({2, 5, 8}).dims), expressions.of(tensor({4, 9, 3}).dims),
                              expressions.of(tensor({3}).dims)};
  DimsExprs shape{};
  EXPECT(build(layout).getOutputShapes(shapes, 3, nullptr, 0, &shape, 1, expressions) == 0);
  const Dims dims = harness::Expressions::evaluate(shape);
  EXPECT(dims.nbDims == 4 && dims.d[0] == 2 && dims.d[1] == 3 && dims.d[2] == 3 && dims.d[3] == 4);
  EXPECT(build(layout).getOutputShapes(shapes, 2, nullptr, 0, &shape, 1, expressions) != 0);
}

void scales_are_uploaded_once_for_each_context_and_freed_with_it() {
  fake_cuda::reset();
  const long before = fake_cuda::live();
  {
    const Plugin loaded = create("QuantizedPredictedConv", quantized_fields(), TensorRTPhase::kRUNTIME);
    EXPECT(fake_cuda::count("cudaMalloc") == 0);
    const Plugin attached(runtime(loaded).attachToContext(nullptr));
    const Plugin other(runtime(loaded).attachToContext(nullptr));
    EXPECT(fake_cuda::count("cudaMalloc") == 2);
    EXPECT(fake_cuda::idle(nullptr));  // what comes next may be on a stream that waits for nobody
    const PluginTensorDesc x = tensor({1, 2, 4, 6});
    EXPECT(takes(attached, {x, tensor({1, 5, 4, 6}), tensor({18, 3, 3, 5}, kI8), tensor({18})}, x));
    EXPECT(fake_cuda::count("cudaMalloc") == 2);
    const Plugin copied(attached->clone());
    EXPECT(fake_cuda::count("cudaMalloc") == 2);
    fake_cuda::fail("cudaMalloc", cudaErrorMemoryAllocation);
    EXPECT(Plugin(runtime(loaded).attachToContext(nullptr)) == nullptr);
    EXPECT_SAID("could not copy its 8 bytes of scales to the GPU");
  }
  EXPECT(fake_cuda::live() == before);
}

void a_gpu_that_the_kernels_were_not_compiled_for_is_said() {
  const Plugin svc = create("SpatiallyVaryingConv", {});
  const PluginTensorDesc inputs[] = {tensor({1, 2, 4, 6}), tensor({1, 18, 4, 6})};
  EXPECT(takes(svc, {inputs[0], inputs[1]}, inputs[0]));
  std::vector<char> memory(4096);
  const void* const data[] = {memory.data(), memory.data()};
  void* const result[] = {memory.data()};
  for (const cudaError_t error :
       {cudaErrorInvalidDeviceFunction, cudaErrorNoKernelImageForDevice, cudaErrorUnsupportedPtxVersion}) {
    setenv("EMULATION_LAUNCH_ERROR", std::to_string(error).c_str(), 1);
    logger.last.clear();
    EXPECT(runtime(svc).enqueue(inputs, inputs, data, result, nullptr, nullptr) != 0);
    EXPECT_SAID("SpatiallyVaryingConv 'node_7' could not be launched: ");
    EXPECT_SAID("; the operator library has no code for this GPU, so reinstall layoutrt on this machine");
  }
  unsetenv("EMULATION_LAUNCH_ERROR");
}

void timings_are_cached_by_what_they_depend_on() {
  const auto id = [](const Plugin& plugin) { return std::string(build(plugin).getTimingCacheID()); };
  const Plugin one = create("LayoutConv", {Field("strides", kStride1, PluginFieldType::kINT32, 2)});
  const Plugin two = create("LayoutConv", {Field("strides", kStride2, PluginFieldType::kINT32, 2)});
  EXPECT(id(one) != id(two));
  EXPECT(id(one) == id(Plugin(one->clone())));
  EXPECT(id(one).find("0.1.0") != std::string::npos);
  EXPECT(id(create("SpatiallyVaryingConv", {})) != id(create("PredictedConv", {kLayout})));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  registry.set_logger(&logger);
  void* library = registry.loadLibrary(arguments[1]);
  EXPECT(library != nullptr);
  if (library == nullptr) return layoutrt::test::summary();
  int32_t creators = 0;
  registry.getAllCreators(&creators);
  EXPECT(creators == 4);
  EXPECT(registry.loadLibrary(arguments[1]) == nullptr);  // they are registered already
  const auto number = [&](const char* name) {
    return reinterpret_cast<int32_t (*)()>(dlsym(library, name))();
  };
  EXPECT(number("lrt_trt_tensorrt_major") == NV_TENSORRT_MAJOR);
  EXPECT(number("lrt_trt_tensorrt_version") == NV_TENSORRT_VERSION);
  EXPECT(std::strcmp(reinterpret_cast<const char* (*)()>(dlsym(library, "lrt_trt_version"))(), "0.1.0") == 0);

  formats_are_those_of_the_kernels();
  fields_that_are_missing_or_wrong_are_refused();
  shapes_that_do_not_fit_are_refused();
  the_output_of_a_strided_layout_is_rounded_up();
  scales_are_uploaded_once_for_each_context_and_freed_with_it();
  a_gpu_that_the_kernels_were_not_compiled_for_is_said();
  timings_are_cached_by_what_they_depend_on();
  return layoutrt::test::summary();
}
