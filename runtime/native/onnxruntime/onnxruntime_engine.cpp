#include "onnxruntime/onnxruntime_engine.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>

#include "dtype.h"
#include "kernels/kernels.h"
#include "onnxruntime/library.h"
#include "onnxruntime/status.h"
#include "operators/registration.h"
#include "processors.h"

namespace layoutrt {
namespace {

using ort::check;

template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

constexpr int kDeviceAllocator = 0;
constexpr int kDefaultMemory = 0;

int thread_count(int32_t wanted, const std::vector<int>& processors) {
  if (wanted > 0) return wanted;
  return processors.empty() ? default_threads()
                            : std::min(static_cast<int>(processors.size()), LRT_MAX_THREADS);
}

// As many threads as ONNX Runtime can have: where it cannot start one of its own, it waits for ever. One more
// than its helpers must be possible, and is left to the rest of the process.
int available_threads(int wanted) { return wanted == 1 ? 1 : std::max(startable_threads(wanted), 1); }

// ONNX Runtime's own threads: all but the one that calls Run. It numbers processors from 1.
std::string helper_affinities(int threads, const std::vector<int>& processors) {
  std::string list;
  for (int thread = 1; thread < threads; ++thread) {
    if (thread > 1) list += ';';
    list += std::to_string(processors[static_cast<size_t>(thread) % processors.size()] + 1);
  }
  return list;
}

// Whether ONNX Runtime's integer kernels for this processor add up uint8 x int8 in saturating 16 bits, as
// those for x86 without VNNI do.
bool products_may_saturate() { return kernels::kernel_table().dot_format().values != 4; }

void require_file(const char* path) {
  struct stat file{};
  if (stat(path, &file) != 0) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    throw Error(LRT_NOT_FOUND, absent ? std::string("there is no model file '") + path + "'"
                                      : std::string("the model file '") + path +
                                            "' cannot be read: " + std::strerror(errno));
  }
  if (!S_ISREG(file.st_mode)) {
    throw Error(LRT_NOT_FOUND, std::string("'") + path + "' is not a file; give the path of an .onnx file");
  }
}

class OnnxRuntimeEngine : public Engine {
 public:
  using CreateSession =
      std::function<OrtStatus*(const ort::Library&, const OrtSessionOptions*, OrtSession**)>;

  OnnxRuntimeEngine(const std::string& name, const lrt_session_options& options, const CreateSession& create)
      : library_(ort::open_library(options.onnxruntime_path)),
        api_(library_.api),
        processors_(parse_processors(options.affinity)),
        wanted_threads_(thread_count(options.threads, processors_)),
        threads_(available_threads(wanted_threads_)),
        session_(nullptr, api_.ReleaseSession),
        memory_(nullptr, api_.ReleaseMemoryInfo) {
    check(api_, api_.GetAllocatorWithDefaultOptions(&allocator_));
    OrtMemoryInfo* memory = nullptr;
    check(api_, api_.CreateCpuMemoryInfo(kDeviceAllocator, kDefaultMemory, &memory));
    memory_.reset(memory);

    OrtSessionOptions* made = nullptr;
    check(api_, api_.CreateSessionOptions(&made));
    const Owned<OrtSessionOptions> settings(made, api_.ReleaseSessionOptions);
    check(api_, api_.SetIntraOpNumThreads(made, threads_));
    check(api_, api_.SetInterOpNumThreads(made, 1));
    check(api_, api_.SetSessionGraphOptimizationLevel(made, ort::kOptimizeAll));
    check(api_, api_.SetSessionLogSeverityLevel(made, ort::kLogError));
    // The plan of the second run would be one more block beside the arena that the first one grew: 0.4 GB for
    // the paper's generator, and no time saved.
    check(api_, api_.DisableMemPattern(made));
    if (products_may_saturate()) {
      // Makes int8 weights beyond 64 uint8, whose kernels are slower and exact. Files of ours have none, so
      // this is for those that were quantized elsewhere.
      check(api_, api_.AddSessionConfigEntry(made, "session.x64quantprecision", "1"));
    }
    if (options.spinning == LRT_SPIN_DURING_RUNS) {
      check(api_, api_.AddSessionConfigEntry(made, "session.force_spinning_stop", "1"));
    } else if (options.spinning == LRT_SPIN_NEVER) {
      check(api_, api_.AddSessionConfigEntry(made, "session.intra_op.allow_spinning", "0"));
    }
    if (!processors_.empty() && threads_ > 1) {
      check(api_, api_.AddSessionConfigEntry(made, "session.intra_op_thread_affinities",
                                             helper_affinities(threads_, processors_).c_str()));
    }
    operators::add_to(made, library_.table);

    OrtSession* session = nullptr;
    check_loaded(name, create(library_, made, &session));
    session_.reset(session);
    read_tensors(api_.SessionGetInputCount, api_.SessionGetInputName, api_.SessionGetInputTypeInfo, &inputs_);
    read_tensors(api_.SessionGetOutputCount, api_.SessionGetOutputName, api_.SessionGetOutputTypeInfo,
                 &outputs_);
    refuse_inputs_as_outputs(name);
    read_metadata();
  }

  const std::vector<TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<TensorInfo>& outputs() const override { return outputs_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }

  std::string backend() const override {
    return "ONNX Runtime " + library_.version + " CPU, " + kernels::kernel_table().name + " operators, " +
           std::to_string(threads_) + (threads_ == 1 ? " thread" : " threads") +
           (threads_ == wanted_threads_
                ? ""
                : " of " + std::to_string(wanted_threads_) + " (the system starts no more)");
  }

  int32_t threads() const override { return threads_; }

  EngineTimings run(const std::vector<const lrt_tensor*>& inputs,
                    const std::vector<lrt_tensor*>& outputs) override {
    results_.clear();
    input_names_.clear();
    input_values_.clear();
    input_memory_.resize(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      input_names_.push_back(inputs_[i].name.c_str());
      input_values_.push_back(wrap(*inputs[i], &input_memory_[i]));
    }
    output_names_.clear();
    output_values_.clear();
    output_memory_.resize(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      output_names_.push_back(outputs[i]->name);
      output_values_.push_back(outputs[i]->data != nullptr ? wrap(*outputs[i], &output_memory_[i]) : nullptr);
    }

    const auto start = std::chrono::steady_clock::now();
    OrtStatus* status =
        api_.Run(session_.get(), nullptr, input_names_.data(), input_values_.data(), input_values_.size(),
                 output_names_.data(), output_names_.size(), output_values_.data());
    EngineTimings timings;
    timings.engine_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i]->data == nullptr && output_values_[i] != nullptr) {
        results_.emplace_back(output_values_[i], api_.ReleaseValue);
      }
    }
    check(api_, status);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i]->data == nullptr) describe(output_values_[i], outputs[i]);
    }
    return timings;
  }

 private:
  // Memory of a caller as ONNX Runtime knows it. Most runs have the buffers of the run before.
  struct CallerMemory {
    lrt_tensor tensor{};
    Owned<OrtValue> value{nullptr, nullptr};
  };

  using Count = OrtStatus* (*)(const OrtSession*, size_t*);
  using Name = OrtStatus* (*)(const OrtSession*, size_t, OrtAllocator*, char**);
  using Type = OrtStatus* (*)(const OrtSession*, size_t, OrtTypeInfo**);

  void check_loaded(const std::string& name, OrtStatus* status) const {
    if (status == nullptr) return;
    const int code = api_.GetErrorCode(status);
    std::string message = api_.GetErrorMessage(status);
    api_.ReleaseStatus(status);
    if (code == ort::kInvalidProtobuf) {
      throw Error(LRT_INVALID_MODEL,
                  name + " is not an ONNX model, or it is truncated; export or copy it again");
    }
    message = message.substr(0, message.find('\n'));
    throw Error(LRT_INVALID_MODEL,
                "ONNX Runtime " + library_.version + " cannot load " + name + ": " + message);
  }

  std::string take(char* text) const {
    const std::string copy = text;
    check(api_, api_.AllocatorFree(allocator_, text));
    return copy;
  }

  void read_shape(const OrtTensorTypeAndShapeInfo* shape, TensorInfo* info) const {
    int dtype = 0;
    size_t rank = 0;
    check(api_, api_.GetTensorElementType(shape, &dtype));
    check(api_, api_.GetDimensionsCount(shape, &rank));
    info->dtype = static_cast<lrt_dtype>(dtype);
    info->dims.resize(rank);
    check(api_, api_.GetDimensions(shape, info->dims.data(), rank));
  }

  void read_tensors(Count get_count, Name get_name, Type get_type, std::vector<TensorInfo>* tensors) const {
    size_t count = 0;
    check(api_, get_count(session_.get(), &count));
    for (size_t i = 0; i < count; ++i) {
      TensorInfo info;
      char* name = nullptr;
      check(api_, get_name(session_.get(), i, allocator_, &name));
      info.name = take(name);
      OrtTypeInfo* type = nullptr;
      check(api_, get_type(session_.get(), i, &type));
      const Owned<OrtTypeInfo> owner(type, api_.ReleaseTypeInfo);
      const OrtTensorTypeAndShapeInfo* shape = nullptr;  // belongs to `type`
      check(api_, api_.CastTypeInfoToTensorInfo(type, &shape));
      if (shape != nullptr) read_shape(shape, &info);
      if (traits(info.dtype).bytes == 0) {
        throw Error(LRT_INVALID_MODEL, "'" + info.name + "' of the model is not a tensor of numbers");
      }
      tensors->push_back(std::move(info));
    }
  }

  void read_metadata() {
    OrtModelMetadata* made = nullptr;
    check(api_, api_.SessionGetModelMetadata(session_.get(), &made));
    const Owned<OrtModelMetadata> owner(made, api_.ReleaseModelMetadata);
    char** keys = nullptr;
    int64_t count = 0;
    check(api_, api_.ModelMetadataGetCustomMetadataMapKeys(made, allocator_, &keys, &count));
    for (int64_t i = 0; i < count; ++i) {
      char* value = nullptr;
      check(api_, api_.ModelMetadataLookupCustomMetadataMap(made, allocator_, keys[i], &value));
      const std::string key = take(keys[i]);
      metadata_[key] = value != nullptr ? take(value) : "";
    }
    if (keys != nullptr) check(api_, api_.AllocatorFree(allocator_, keys));
  }

  // ONNX Runtime runs nothing for such an output, and leaves the memory that was given for it as it is.
  void refuse_inputs_as_outputs(const std::string& name) const {
    for (const TensorInfo& output : outputs_) {
      for (const TensorInfo& input : inputs_) {
        if (input.name == output.name) {
          throw Error(LRT_INVALID_MODEL, name + " gives its input '" + input.name +
                                             "' back as an output; export it without that");
        }
      }
    }
  }

  OrtValue* wrap(const lrt_tensor& tensor, CallerMemory* memory) const {
    const lrt_tensor& known = memory->tensor;
    const bool same = memory->value != nullptr && known.dtype == tensor.dtype && known.rank == tensor.rank &&
                      known.data == tensor.data && known.size_bytes == tensor.size_bytes &&
                      std::equal(tensor.dims, tensor.dims + tensor.rank, known.dims);
    if (!same) {
      OrtValue* value = nullptr;
      check(api_,
            api_.CreateTensorWithDataAsOrtValue(memory_.get(), tensor.data, tensor.size_bytes, tensor.dims,
                                                static_cast<size_t>(tensor.rank), tensor.dtype, &value));
      memory->value = Owned<OrtValue>(value, api_.ReleaseValue);
      memory->tensor = tensor;
    }
    return memory->value.get();
  }

  void describe(OrtValue* value, lrt_tensor* tensor) const {
    OrtTensorTypeAndShapeInfo* shape = nullptr;
    check(api_, api_.GetTensorTypeAndShape(value, &shape));
    const Owned<OrtTensorTypeAndShapeInfo> owner(shape, api_.ReleaseTensorTypeAndShapeInfo);
    TensorInfo info;
    read_shape(shape, &info);
    if (info.dims.size() > LRT_MAX_RANK)
      throw Error(LRT_RUNTIME_ERROR, "an output has more than 8 dimensions");
    tensor->dtype = info.dtype;
    tensor->rank = static_cast<int32_t>(info.dims.size());
    tensor->size_bytes = traits(info.dtype).bytes;
    for (size_t i = 0; i < info.dims.size(); ++i) {
      tensor->dims[i] = info.dims[i];
      tensor->size_bytes *= static_cast<size_t>(info.dims[i]);
    }
    check(api_, api_.GetTensorMutableData(value, &tensor->data));
  }

  const ort::Library& library_;
  const ort::Functions& api_;
  const std::vector<int> processors_;
  const int wanted_threads_;
  const int threads_;
  OrtAllocator* allocator_ = nullptr;  // ONNX Runtime's own, never freed
  Owned<OrtSession> session_;
  Owned<OrtMemoryInfo> memory_;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
  std::map<std::string, std::string> metadata_;
  std::vector<Owned<OrtValue>> results_;  // of the last run, where the caller gave no memory
  // Lists of a run, kept for the next.
  std::vector<CallerMemory> input_memory_;
  std::vector<CallerMemory> output_memory_;
  std::vector<const char*> input_names_;
  std::vector<const char*> output_names_;
  std::vector<const OrtValue*> input_values_;
  std::vector<OrtValue*> output_values_;
};

}  // namespace

std::unique_ptr<Engine> open_onnxruntime(const char* model_path, const lrt_session_options& options) {
  require_file(model_path);
  return std::make_unique<OnnxRuntimeEngine>(
      std::string("'") + model_path + "'", options,
      [&](const ort::Library& library, const OrtSessionOptions* settings, OrtSession** session) {
        return library.api.CreateSession(library.env, model_path, settings, session);
      });
}

std::unique_ptr<Engine> open_onnxruntime(const void* data, size_t size, const lrt_session_options& options) {
  return std::make_unique<OnnxRuntimeEngine>(
      "the model in memory", options,
      [&](const ort::Library& library, const OrtSessionOptions* settings, OrtSession** session) {
        return library.api.CreateSessionFromArray(library.env, data, size, settings, session);
      });
}

}  // namespace layoutrt
