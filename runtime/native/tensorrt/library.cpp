#include "tensorrt/library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>

#include "error.h"
#include "own_folder.h"
#include "tensorrt/log.h"

namespace layoutrt::trt {
namespace {

constexpr const char* kOperatorFile = "liblayoutrt_trt.so";
constexpr const char* kPlugins[] = {"LayoutConv", "PredictedConv", "QuantizedPredictedConv",
                                    "SpatiallyVaryingConv"};

std::string major_text() { return std::to_string(NV_TENSORRT_MAJOR); }

std::string soname() { return "libnvinfer.so." + major_text(); }

std::string hint() {
  return "; install TensorRT " + major_text() +
         ", and where the system does not find it name the path of its " + soname() +
         " in the environment variable LAYOUTRT_TENSORRT";
}

std::string named_by(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

std::string reason() {
  const char* text = dlerror();
  return text == nullptr ? "no reason given" : text;
}

std::string version_text(int32_t number) {
  return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
         std::to_string(number % 100);
}

// The function `name` of a library, as a pointer of type Function; null if it has none.
template <class Function>
Function find(void* handle, const char* name) {
  return reinterpret_cast<Function>(dlsym(handle, name));
}

void* open_handle() {
  const std::string named = named_by("LAYOUTRT_TENSORRT");
  if (void* handle = dlopen((named.empty() ? soname() : named).c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
  if (named.empty()) {
    throw Error(LRT_NOT_FOUND, "TensorRT (" + soname() + ") was not found (" + reason() + ")" + hint());
  }
  throw Error(LRT_NOT_FOUND, "TensorRT could not be opened at '" + named + "' (" + reason() + ")" + hint());
}

Library load() {
  void* handle = open_handle();
  const auto get_version = find<decltype(&getInferLibVersion)>(handle, "getInferLibVersion");
  if (get_version == nullptr) {
    throw Error(LRT_NOT_FOUND, "the library that was opened is not TensorRT" + hint());
  }
  const int32_t version = get_version();
  if (version / 10000 != NV_TENSORRT_MAJOR) {
    throw Error(LRT_NOT_FOUND, "this is TensorRT " + version_text(version) +
                                   " and layoutrt was built for TensorRT " + major_text() +
                                   "; reinstall layoutrt with this TensorRT's headers at hand");
  }
  return {handle, version_text(version)};
}

}  // namespace

const Library& open_library() {
  // Never destroyed: sessions may outlive static destruction. A failure is tried again by the next call.
  static const Library& library = *std::make_unique<Library>(load()).release();
  return library;
}

OperatorLibrary find_operator_library(const Library& library) {
  OperatorLibrary found;
  found.path = named_by("LAYOUTRT_TRT_LIBRARY");
  const bool named = !found.path.empty();
  if (!named) found.path = own_folder() + "/" + kOperatorFile;
  void* handle = dlopen(found.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw Error(LRT_NOT_FOUND, "the operator library " + found.path + " cannot be loaded (" + reason() +
                                   "); " +
                                   (named ? "correct LAYOUTRT_TRT_LIBRARY, or unset it"
                                          : "install TensorRT's headers and CUDA and reinstall layoutrt, or "
                                            "name one with LAYOUTRT_TRT_LIBRARY"));
  }
  const auto major = find<int32_t (*)()>(handle, "lrt_trt_tensorrt_major");
  const auto version = find<const char* (*)()>(handle, "lrt_trt_version");
  if (major == nullptr || version == nullptr) {
    throw Error(LRT_NOT_FOUND, found.path +
                                   " is not an operator library of layoutrt; reinstall layoutrt, or correct "
                                   "LAYOUTRT_TRT_LIBRARY");
  }
  if (major() != NV_TENSORRT_MAJOR) {
    throw Error(LRT_NOT_FOUND, "the operator library " + found.path + " was built for TensorRT " +
                                   std::to_string(major()) + " and this is " + library.version +
                                   "; rebuild it against this TensorRT's headers by reinstalling layoutrt");
  }
  found.version = version();
  return found;
}

void register_operators(const Library& library, const OperatorLibrary& operators) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto get_registry = find<decltype(&getPluginRegistry)>(library.handle, "getPluginRegistry");
  nvinfer1::IPluginRegistry* registry = get_registry == nullptr ? nullptr : get_registry();
  if (registry == nullptr) {
    throw Error(LRT_NOT_FOUND, "TensorRT " + library.version + " has no plugin registry" + hint());
  }
  const auto missing = [&]() -> const char* {
    for (const char* name : kPlugins) {
      if (registry->getCreator(name, "1", "layoutrt") == nullptr) return name;
    }
    return nullptr;
  };
  // Another user of TensorRT in this process, such as Python, may have registered them.
  if (missing() == nullptr) return;
  Log::take_error();
  registry->loadLibrary(operators.path.c_str());
  if (const char* name = missing()) {
    const std::string error = Log::take_error();
    throw Error(LRT_NOT_FOUND, "TensorRT " + library.version + " found no plugin " + name +
                                   " in the operator library " + operators.path +
                                   (error.empty() ? "" : " (" + error + ")") +
                                   "; reinstall layoutrt with this TensorRT's headers at hand");
  }
}

std::unique_ptr<nvinfer1::IRuntime> make_runtime(const Library& library) {
  const auto create =
      find<decltype(&createInferRuntime_INTERNAL)>(library.handle, "createInferRuntime_INTERNAL");
  Log::take_error();
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  if (create != nullptr) {
    runtime.reset(static_cast<nvinfer1::IRuntime*>(create(&log(), NV_TENSORRT_VERSION)));
  }
  if (runtime == nullptr) {
    const std::string error = Log::take_error();
    throw Error(LRT_RUNTIME_ERROR, "TensorRT " + library.version + " could not be started" +
                                       (error.empty() ? "" : ": " + error) + "; see layoutrt doctor");
  }
  return runtime;
}

}  // namespace layoutrt::trt
