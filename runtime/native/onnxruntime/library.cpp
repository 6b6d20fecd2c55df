#include "onnxruntime/library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

#include "onnxruntime/status.h"

namespace layoutrt::ort {
namespace {

constexpr const char* kHint =
    "; install it with: pip install 'onnxruntime>=1.20', and give the path of its libonnxruntime.so in the "
    "environment variable LAYOUTRT_ONNXRUNTIME";

void* open_handle(const char* path) {
  if (path == nullptr || *path == '\0') path = std::getenv("LAYOUTRT_ONNXRUNTIME");
  if (path != nullptr && *path != '\0') {
    if (void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)) return handle;
    const char* reason = dlerror();
    throw Error(LRT_NOT_FOUND, std::string("ONNX Runtime could not be opened at '") + path + "' (" +
                                   (reason ? reason : "no reason given") + ")" + kHint);
  }
  for (const char* name : {"libonnxruntime.so.1", "libonnxruntime.so"}) {
    if (void* handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return handle;
  }
  throw Error(LRT_NOT_FOUND, std::string("ONNX Runtime (libonnxruntime.so.1) was not found") + kHint);
}

Library load(void* handle) {
  const auto get_base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  const OrtApiBase* base = get_base == nullptr ? nullptr : get_base();
  if (base == nullptr) {
    throw Error(LRT_NOT_FOUND, std::string("the library that was opened is not ONNX Runtime") + kHint);
  }
  const std::string version = base->GetVersionString();
  const OrtApi* table = base->GetApi(kApiVersion);
  if (table == nullptr) {
    throw Error(LRT_NOT_FOUND,
                "ONNX Runtime " + version + " is too old, layoutrt needs 1.20 or newer" + kHint);
  }
  Library library{table, Functions(table), nullptr, version};
  check(library.api, library.api.CreateEnv(kLogError, "layoutrt", &library.env));
  return library;
}

}  // namespace

const Library& open_library(const char* path) {
  static std::mutex mutex;
  // Never destroyed: sessions may outlive static destruction, and the library's threads do.
  static auto& libraries = *std::make_unique<std::map<void*, Library>>().release();
  void* handle = open_handle(path);
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = libraries.find(handle);  // dlopen gives an open library's handle again
  if (found != libraries.end()) return found->second;
  return libraries.emplace(handle, load(handle)).first->second;
}

}  // namespace layoutrt::ort
