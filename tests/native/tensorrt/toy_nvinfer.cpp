// A libnvinfer.so for tests, of the real header's classes. Its engines are texts:
//
//   input labels 5 -1 -1 -1        a tensor: name, DataType, dimensions
//   input z 0 1 4
//   profile 1 8 8  1 16 16  1 32 32    min, opt and max of the first input
//   output image 5 -1 -1 -1 3      -1: as the first input
//   memory 4096                    bytes of activations
//   hostcode                       only where host code is allowed, as version-compatible engines
//
// An engine computes image[p,c] = 3 * labels[p] + c + z[0], modulo 256. A context wants its memory, addresses
// and shapes set as TensorRT does, and cannot be captured before it has run with its shapes once.

#include "toy_nvinfer.h"

#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "fake_cuda.h"
#include "registry.h"

#define TOY_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using namespace nvinfer1;

constexpr double kEngineMs = 2;

ILogger* logger = nullptr;
std::map<std::string, long> counts;
std::map<std::string, std::string> failures;
doubles::Registry registry;

// Counts a call; false where it is to fail.
bool called(const char* function) {
  ++counts[function];
  const auto found = failures.find(function);
  if (found == failures.end()) return true;
  if (logger != nullptr) logger->log(ILogger::Severity::kERROR, found->second.c_str());
  failures.erase(found);
  return false;
}

bool refuse(const char* message) {
  if (logger != nullptr) logger->log(ILogger::Severity::kERROR, message);
  return false;
}

struct Tensor {
  std::string name;
  DataType type;
  Dims dims;
  bool input;
};

struct Model {
  std::vector<Tensor> tensors;
  std::vector<std::vector<Dims>> profiles;  // min, opt, max
  int64_t memory = 0;
  bool hostcode = false;

  const Tensor& find(const char* name) const {
    for (const Tensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    stubs::unexpected(name);
  }
};

Dims read_dims(std::istream& text, int32_t rank) {
  Dims dims{};
  while (dims.nbDims < rank && text >> dims.d[dims.nbDims]) ++dims.nbDims;
  return dims;
}

bool read_model(const char* data, size_t size, Model* model) {
  std::istringstream lines(std::string(data, size));
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "input" || kind == "output") {
      Tensor tensor{};
      int type = 0;
      words >> tensor.name >> type;
      tensor.type = static_cast<DataType>(type);
      tensor.dims = read_dims(words, Dims::MAX_DIMS);
      tensor.input = kind == "input";
      model->tensors.push_back(tensor);
    } else if (kind == "profile") {
      const int32_t rank = model->tensors.front().dims.nbDims;
      model->profiles.push_back({});
      for (int i = 0; i < 3; ++i) model->profiles.back().push_back(read_dims(words, rank));
    } else if (kind == "memory") {
      words >> model->memory;
    } else if (kind == "hostcode") {
      model->hostcode = true;
    } else {
      return refuse("Error Code 1: Serialization (Magic tag does not match)");
    }
  }
  return true;
}

struct ContextImpl final : stubs::VExecutionContext {
  explicit ContextImpl(const Model& made_of) : model(made_of) {}

  const Model& model;
  int32_t profile = 0;
  void* memory = nullptr;
  int64_t memory_bytes = 0;
  std::map<std::string, Dims> shapes;
  std::map<std::string, void*> addresses;
  bool warm = false;
  std::shared_ptr<bool> selected = std::make_shared<bool>(true);  // whether the profile's copies are done

  void setDeviceMemoryV2(void* given, int64_t bytes) noexcept override {
    called("setDeviceMemoryV2");
    memory = given;
    memory_bytes = bytes;
  }
  int32_t getOptimizationProfile() const noexcept override { return profile; }
  bool setOptimizationProfileAsync(int32_t index, cudaStream_t stream) noexcept override {
    if (!called("setOptimizationProfileAsync")) return false;
    selected = std::make_shared<bool>(false);
    fake_cuda::enqueue(stream, [done = selected] { *done = true; }, 0);
    profile = index;
    shapes.clear();
    warm = false;
    return true;
  }
  bool setInputShape(const char* name, const Dims& dims) noexcept override {
    if (!called("setInputShape")) return false;
    const Tensor& tensor = model.find(name);
    for (int32_t i = 0; i < dims.nbDims; ++i) {
      const bool first = name == model.tensors.front().name && !model.profiles.empty();
      const auto& range =
          first ? model.profiles[static_cast<size_t>(profile)] : std::vector<Dims>(3, tensor.dims);
      if (dims.d[i] < range[0].d[i] || dims.d[i] > range[2].d[i]) return refuse("out of the profile's range");
    }
    shapes[name] = dims;
    warm = false;
    return true;
  }
  bool setTensorAddress(const char* name, void* data) noexcept override {
    if (!called("setTensorAddress") || reinterpret_cast<uintptr_t>(data) % 256 != 0) return false;
    addresses[name] = data;
    return true;
  }
  int32_t inferShapes(int32_t, const char**) noexcept override {
    if (!called("inferShapes")) return -1;
    int32_t missing = 0;
    for (const Tensor& tensor : model.tensors) missing += tensor.input && shapes.count(tensor.name) == 0;
    return missing;
  }
  Dims getTensorShape(const char* name) const noexcept override {
    Dims dims = model.find(name).dims;
    const Dims& first = shapes.at(model.tensors.front().name);
    for (int32_t i = 0; i < dims.nbDims; ++i) {
      if (dims.d[i] == -1) dims.d[i] = first.d[i];
    }
    return dims;
  }
  bool enqueueV3(cudaStream_t stream) noexcept override {
    if (!called("enqueueV3")) return false;
    if (memory_bytes < model.memory || (memory == nullptr && model.memory > 0))
      return refuse("no device memory");
    if (inferShapes(0, nullptr) != 0) return refuse("a shape is not set");
    for (const Tensor& tensor : model.tensors) {
      if (addresses[tensor.name] == nullptr) return refuse("an address is not set");
    }
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    cudaStreamIsCapturing(stream, &capture);
    if (capture != cudaStreamCaptureStatusNone && !warm) return refuse("captured before it was warm");
    warm = true;
    const Dims shape = shapes[model.tensors.front().name];
    int64_t pixels = 1;
    for (int32_t i = 0; i < shape.nbDims; ++i) pixels *= shape.d[i];
    const auto* labels = static_cast<const uint8_t*>(addresses["labels"]);
    const auto* z = static_cast<const float*>(addresses["z"]);
    auto* image = static_cast<uint8_t*>(addresses["image"]);
    auto* const activations = static_cast<char*>(memory);
    const int64_t bytes = model.memory;
    const auto work = [=, ready = selected] {
      if (!*ready) stubs::unexpected("run with a profile whose copies are under way");
      cudaPointerAttributes attributes{};
      if (activations != nullptr) cudaPointerGetAttributes(&attributes, activations);
      if (activations != nullptr && attributes.type != cudaMemoryTypeDevice)
        stubs::unexpected("memory to run in");
      if (activations != nullptr) std::memset(activations, 1, static_cast<size_t>(bytes));
      for (int64_t p = 0; p < pixels; ++p) {
        for (int c = 0; c < 3; ++c) {
          image[p * 3 + c] =
              static_cast<uint8_t>(3 * labels[p] + c + (z == nullptr ? 0 : static_cast<int>(z[0])));
        }
      }
    };
    return fake_cuda::enqueue(stream, work, kEngineMs) == cudaSuccess;
  }
};

struct Context final : IExecutionContext {
  explicit Context(const Model& model) : impl(model) { mImpl = &impl; }
  ~Context() noexcept override { called("~IExecutionContext"); }
  ContextImpl impl;
};

struct EngineImpl final : stubs::VCudaEngine {
  Model model;

  int32_t getNbIOTensors() const noexcept override { return static_cast<int32_t>(model.tensors.size()); }
  const char* getIOTensorName(int32_t index) const noexcept override {
    return model.tensors[static_cast<size_t>(index)].name.c_str();
  }
  TensorIOMode getTensorIOMode(const char* name) const noexcept override {
    return model.find(name).input ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
  }
  DataType getTensorDataType(const char* name) const noexcept override { return model.find(name).type; }
  TensorLocation getTensorLocation(const char*) const noexcept override { return TensorLocation::kDEVICE; }
  TensorFormat getTensorFormat(const char*) const noexcept override { return TensorFormat::kLINEAR; }
  Dims getTensorShape(const char* name) const noexcept override { return model.find(name).dims; }
  int32_t getNbOptimizationProfiles() const noexcept override {
    return model.profiles.empty() ? 1 : static_cast<int32_t>(model.profiles.size());
  }
  Dims getProfileShape(const char*, int32_t profile, OptProfileSelector select) const noexcept override {
    return model.profiles[static_cast<size_t>(profile)][static_cast<size_t>(select)];
  }
  int64_t getDeviceMemorySizeV2() const noexcept override { return model.memory; }
  IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy strategy) noexcept override {
    if (!called("createExecutionContext") || strategy != ExecutionContextAllocationStrategy::kUSER_MANAGED) {
      return nullptr;
    }
    return new Context(model);
  }
};

struct Engine final : ICudaEngine {
  Engine() { mImpl = &impl; }
  EngineImpl impl;
};

struct RuntimeImpl final : stubs::VRuntime {
  bool host_code = false;

  ICudaEngine* deserializeCudaEngine(const void* blob, size_t size) noexcept override {
    auto engine = std::make_unique<Engine>();
    if (!called("deserializeCudaEngine") ||
        !read_model(static_cast<const char*>(blob), size, &engine->impl.model)) {
      return nullptr;
    }
    if (engine->impl.model.hostcode && !host_code) {
      refuse("the engine has host code, which was not allowed");
      return nullptr;
    }
    return engine.release();
  }
  void setEngineHostCodeAllowed(bool allowed) noexcept override { host_code = allowed; }
  int32_t getNbDLACores() const noexcept override { return 0; }
};

struct Runtime final : IRuntime {
  Runtime() { mImpl = &impl; }
  RuntimeImpl impl;
};

}  // namespace

TOY_EXPORT void toy_fail(const char* function, const char* message) { failures[function] = message; }
TOY_EXPORT long toy_count(const char* function) {
  return std::strcmp(function, "loadLibrary") == 0 ? registry.loads() : counts[function];
}
TOY_EXPORT void toy_reset() {
  counts.clear();
  failures.clear();
}

TOY_EXPORT void* createInferRuntime_INTERNAL(void* given, int32_t version) noexcept {
  logger = static_cast<ILogger*>(given);
  registry.set_logger(logger);
  return version == NV_TENSORRT_VERSION && called("createInferRuntime") ? new Runtime : nullptr;
}
TOY_EXPORT IPluginRegistry* getPluginRegistry() noexcept { return &registry; }
TOY_EXPORT int32_t getInferLibVersion() noexcept {
  const char* other = std::getenv("TOY_VERSION");
  return other == nullptr ? NV_TENSORRT_VERSION : std::atoi(other);
}
