// Drives plugins of the operator library through TensorRT's order of calls, on device memory:
//
//   plugin_harness liblayoutrt_trt.so CASE_FOLDER...
//
// Build: create, ask for types, shapes and formats, configure with dynamic shapes, and run once as the
// builder does to measure it. Then serialize by fields; create again for the runtime, attach to a context,
// and run twice on a stream, the second time through a captured CUDA graph. All three runs must agree to the
// bit. The result is written to the case's output file.
//
// It needs TensorRT's headers and a CUDA runtime, no TensorRT library.

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "expressions.h"
#include "plugin_case.h"
#include "registry.h"

namespace harness {
namespace {

using namespace nvinfer1;

void require(bool met, const std::string& what) {
  if (!met) throw std::runtime_error(what);
}

void check(cudaError_t status) {
  require(status == cudaSuccess, std::string("CUDA: ") + cudaGetErrorString(status));
}

struct Logger final : ILogger {
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kWARNING) std::fprintf(stderr, "%s\n", message);
  }
};

struct FreeDevice {
  void operator()(void* memory) const { cudaFree(memory); }
};
using DeviceMemory = std::unique_ptr<void, FreeDevice>;

// Waits for the copy to be there: streams that do not block would not.
void copy_to_device(void* memory, const std::vector<char>& data) {
  check(cudaMemcpy(memory, data.data(), data.size(), cudaMemcpyHostToDevice));
  check(cudaStreamSynchronize(nullptr));
}

DeviceMemory to_device(const std::vector<char>& data) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, data.size()));
  DeviceMemory owner(memory);
  copy_to_device(memory, data);
  return owner;
}

using Plugin = std::unique_ptr<IPluginV3>;

template <class Capability>
Capability& capability(IPluginV3* plugin, PluginCapabilityType type) {
  auto* found = static_cast<Capability*>(plugin->getCapabilityInterface(type));
  require(found != nullptr, "a capability is missing");
  return *found;
}

PluginTensorDesc describe(const Tensor& tensor) { return {tensor.dims, tensor.type, tensor.format, 0}; }

// As the builder sees a tensor whose height and width are dynamic.
DynamicPluginTensorDesc describe_dynamic(const Tensor& tensor, bool activation) {
  DynamicPluginTensorDesc description{describe(tensor), tensor.dims, tensor.dims, tensor.dims};
  for (int32_t i = tensor.dims.nbDims - 2; activation && i < tensor.dims.nbDims; ++i) {
    description.desc.dims.d[i] = -1;
    description.min.d[i] = 1;
  }
  return description;
}

class Harness {
 public:
  Harness(IPluginCreatorV3One* creator, Case* made) : creator_(*creator), case_(*made) {
    for (const Tensor& input : case_.inputs) {
      memory_.push_back(to_device(input.data));
      inputs_.push_back(memory_.back().get());
      descriptions_.push_back(describe(input));
    }
    case_.output.data.assign(case_.output.bytes(), '\xff');
    output_ = to_device(case_.output.data);
    output_description_ = describe(case_.output);
  }

  void run() {
    std::vector<PluginField> fields;
    // The parser hands on the attributes that the creator names.
    const PluginFieldCollection* names = creator_.getFieldNames();
    for (const Attribute& attribute : case_.attributes) {
      bool named = false;
      for (int32_t i = 0; i < names->nbFields; ++i) named = named || attribute.name == names->fields[i].name;
      require(named, "the creator does not name the attribute " + attribute.name);
      fields.emplace_back(attribute.name.c_str(), attribute.data.data(), attribute.type, attribute.length);
    }
    const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
    Plugin built(creator_.createPlugin("case", &collection, TensorRTPhase::kBUILD));
    require(built != nullptr, "the plugin was not created for the build");
    check_build(built.get());

    Plugin timed(built->clone());
    require(timed != nullptr, "the plugin was not cloned");
    const std::vector<char> at_build = enqueue(timed.get(), nullptr, false);
    timed.reset();

    const std::vector<Attribute> serialized = serialize(built.get());
    built.reset();
    std::vector<PluginField> stored;
    for (const Attribute& field : serialized) {
      stored.emplace_back(field.name.c_str(), field.data.data(), field.type, field.length);
    }
    const PluginFieldCollection stored_collection{static_cast<int32_t>(stored.size()), stored.data()};
    Plugin loaded(creator_.createPlugin("case", &stored_collection, TensorRTPhase::kRUNTIME));
    require(loaded != nullptr, "the plugin was not created for the runtime");
    Plugin attached(capability<IPluginV3OneRuntime>(loaded.get(), PluginCapabilityType::kRUNTIME)
                        .attachToContext(nullptr));
    require(attached != nullptr, "the plugin was not attached to a context");
    loaded.reset();

    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    const std::vector<char> warm = enqueue(attached.get(), stream, false);
    const std::vector<char> captured = enqueue(attached.get(), stream, true);
    check(cudaStreamDestroy(stream));
    require(warm == at_build, "the runtime's result differs from that of the build");
    require(captured == warm, "the captured result differs");
    case_.output.data = captured;
  }

 private:
  void check_build(IPluginV3* plugin) {
    auto& core = capability<IPluginV3OneCore>(plugin, PluginCapabilityType::kCORE);
    require(core.getPluginName() == case_.plugin && std::string(core.getPluginVersion()) == "1" &&
                std::string(core.getPluginNamespace()) == "layoutrt",
            "the plugin has another name, version or namespace");
    auto& build = capability<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
    const auto count = static_cast<int32_t>(case_.inputs.size());
    require(build.getNbOutputs() == 1, "there is more than one output");
    require(build.getTimingCacheID() != nullptr, "the timing cache is not used");
    require(build.getFormatCombinationLimit() >= 1 && build.getNbTactics() == 0, "formats or tactics");

    std::vector<DataType> types;
    for (const Tensor& input : case_.inputs) types.push_back(input.type);
    DataType type{};
    require(build.getOutputDataTypes(&type, 1, types.data(), count) == 0 && type == case_.output.type,
            "the output has another type");

    Expressions expressions;
    std::vector<DimsExprs> shapes;
    for (const Tensor& input : case_.inputs) shapes.push_back(expressions.of(input.dims));
    DimsExprs shape{};
    require(build.getOutputShapes(shapes.data(), count, nullptr, 0, &shape, 1, expressions) == 0,
            "there is no output shape");
    const Dims dims = Expressions::evaluate(shape);
    require(dims.nbDims == case_.output.dims.nbDims &&
                std::equal(dims.d, dims.d + dims.nbDims, case_.output.dims.d),
            "the output has another shape");

    std::vector<DynamicPluginTensorDesc> tensors;
    for (const Tensor& input : case_.inputs) {
      // Activations are those with the first input's number of images; weights have fixed shapes.
      const bool activation = input.dims.nbDims >= 3 && &input - case_.inputs.data() < 2 &&
                              input.dims.d[0] == case_.inputs[0].dims.d[0] && case_.plugin != "LayoutConv";
      tensors.push_back(describe_dynamic(input, activation || &input == case_.inputs.data()));
    }
    tensors.push_back(describe_dynamic(case_.output, true));
    for (int32_t i = 0; i <= count; ++i) {
      require(build.supportsFormatCombination(i, tensors.data(), count, 1),
              "the formats are not supported at position " + std::to_string(i));
    }
    require(build.configurePlugin(tensors.data(), count, &tensors.back(), 1) == 0, "the shapes are refused");
    require(build.getWorkspaceSize(tensors.data(), count, &tensors.back(), 1) == 0,
            "a workspace is asked for");
  }

  static std::vector<Attribute> serialize(IPluginV3* plugin) {
    const PluginFieldCollection* fields =
        capability<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME).getFieldsToSerialize();
    require(fields != nullptr, "there are no fields to serialize");
    std::vector<Attribute> stored;
    for (int32_t i = 0; i < fields->nbFields; ++i) {
      const PluginField& field = fields->fields[i];
      const size_t element = field.type == PluginFieldType::kCHAR ? 1 : 4;
      const auto* data = static_cast<const char*>(field.data);
      stored.push_back(
          {field.name, field.type, {data, data + element * static_cast<size_t>(field.length)}, field.length});
    }
    return stored;
  }

  std::vector<char> enqueue(IPluginV3* plugin, cudaStream_t stream, bool captured) {
    auto& runtime = capability<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME);
    const auto count = static_cast<int32_t>(inputs_.size());
    if (!captured) {
      require(runtime.onShapeChange(descriptions_.data(), count, &output_description_, 1) == 0,
              "onShapeChange refuses the shapes");
    }
    std::vector<char> result(case_.output.bytes(), '\xff');
    copy_to_device(output_.get(), result);
    void* outputs[] = {output_.get()};
    if (captured) check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    require(runtime.enqueue(descriptions_.data(), &output_description_, inputs_.data(), outputs, nullptr,
                            stream) == 0,
            "enqueue failed");
    if (captured) {
      cudaGraph_t graph = nullptr;
      cudaGraphExec_t executable = nullptr;
      check(cudaStreamEndCapture(stream, &graph));
      check(cudaGraphInstantiateWithFlags(&executable, graph, 0));
      check(cudaGraphLaunch(executable, stream));
      check(cudaStreamSynchronize(stream));
      check(cudaGraphExecDestroy(executable));
      check(cudaGraphDestroy(graph));
    }
    check(cudaStreamSynchronize(stream));
    check(cudaMemcpy(result.data(), output_.get(), result.size(), cudaMemcpyDeviceToHost));
    return result;
  }

  IPluginCreatorV3One& creator_;
  Case& case_;
  std::vector<DeviceMemory> memory_;
  std::vector<const void*> inputs_;
  std::vector<PluginTensorDesc> descriptions_;
  DeviceMemory output_;
  PluginTensorDesc output_description_{};
};

}  // namespace
}  // namespace harness

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: plugin_harness liblayoutrt_trt.so CASE_FOLDER...\n");
    return 2;
  }
  harness::Logger logger;
  doubles::Registry registry;
  registry.set_logger(&logger);
  if (registry.loadLibrary(arguments[1]) == nullptr) {
    std::fprintf(stderr, "%s cannot be loaded\n", arguments[1]);
    return 2;
  }
  int failures = 0;
  for (int i = 2; i < count; ++i) {
    try {
      harness::Case made = harness::read_case(arguments[i]);
      auto* creator = static_cast<nvinfer1::IPluginCreatorV3One*>(
          registry.getCreator(made.plugin.c_str(), "1", "layoutrt"));
      if (creator == nullptr) throw std::runtime_error("there is no plugin " + made.plugin);
      harness::Harness(creator, &made).run();
      harness::write_output(arguments[i], made);
    } catch (const std::exception& error) {
      std::printf("%s: %s\n", arguments[i], error.what());
      ++failures;
    }
  }
  std::printf("%d cases, %d failures\n", count - 2, failures);
  return failures != 0;
}
