#include "onnxruntime/library.h"

#include <dirent.h>
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "onnxruntime/status.h"
#include "own_folder.h"

namespace layoutrt::ort {
namespace {

constexpr int kOldestMinor = 20;  // of ONNX Runtime 1.x
constexpr const char* kOldest = "1.20";

constexpr const char* kHint =
    "; install it with: pip install 'onnxruntime>=1.20', or take libonnxruntime.so.1 from a release archive "
    "of ONNX Runtime (onnxruntime-linux-*.tgz), and lay it beside liblayoutrt.so or name its path in the "
    "environment variable LAYOUTRT_ONNXRUNTIME";

// The names that ONNX Runtime has beside this library, the plain ones first.
std::vector<std::string> beside_this_library() {
  const std::string folder = own_folder();
  std::vector<std::string> found;
  if (folder.empty()) return found;
  for (const char* name : {"/libonnxruntime.so.1", "/libonnxruntime.so"}) {
    if (access((folder + name).c_str(), F_OK) == 0) found.push_back(folder + name);
  }
  std::vector<std::string> versions;  // libonnxruntime.so.1.32.0
  if (DIR* const entries = opendir(folder.c_str())) {
    while (const dirent* const entry = readdir(entries)) {
      if (std::strncmp(entry->d_name, "libonnxruntime.so.", 18) == 0) {
        versions.push_back(folder + "/" + entry->d_name);
      }
    }
    closedir(entries);
  }
  std::sort(versions.begin(), versions.end(), [](const std::string& a, const std::string& b) {
    return strverscmp(a.c_str(), b.c_str()) > 0;  // the newest first
  });
  found.insert(found.end(), versions.begin(), versions.end());
  return found;
}

std::string reason() {
  const char* text = dlerror();
  return text != nullptr ? text : "no reason given";
}

void* open_handle(const char* path) {
  if (path == nullptr || *path == '\0') path = std::getenv("LAYOUTRT_ONNXRUNTIME");
  if (path != nullptr && *path != '\0') {
    if (void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)) return handle;
    throw Error(LRT_NOT_FOUND,
                std::string("ONNX Runtime could not be opened at '") + path + "' (" + reason() + ")" + kHint);
  }
  std::string failure;
  for (const std::string& name : beside_this_library()) {
    if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
    if (failure.empty()) failure = " (" + reason() + ")";
  }
  for (const char* name : {"libonnxruntime.so.1", "libonnxruntime.so"}) {
    if (void* handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return handle;
  }
  throw Error(LRT_NOT_FOUND, "ONNX Runtime (libonnxruntime.so.1) was not found" + failure + kHint);
}

// The official builds of ONNX Runtime from 1.32 on collect and send events by default: they keep a queue of
// them in the user's folder and a thread that asks for the network. The first must be said before the library
// is loaded, and prevents all of it; the second tells builds that do not look at the variable. Who sets the
// variable to 0 wants the telemetry.
constexpr const char* kTelemetryVariable = "ORT_DISABLE_TELEMETRY";

void refuse_telemetry() { setenv(kTelemetryVariable, "1", /*overwrite=*/0); }

void refuse_telemetry(const Functions& api, const OrtEnv* env) {
  const char* said = std::getenv(kTelemetryVariable);
  if (said != nullptr && std::strcmp(said, "0") == 0) return;
  check(api, api.DisableTelemetryEvents(env));
}

Library load(void* handle) {
  const auto get_base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  const OrtApiBase* base = get_base == nullptr ? nullptr : get_base();
  if (base == nullptr) {
    throw Error(LRT_NOT_FOUND, std::string("the library that was opened is not ONNX Runtime") + kHint);
  }
  const std::string version = base->GetVersionString();
  const OrtApi* table = is_too_old(version) ? nullptr : base->GetApi(kApiVersion);
  if (table == nullptr) {
    throw Error(LRT_NOT_FOUND,
                "ONNX Runtime " + version + " is too old, layoutrt needs " + kOldest + " or newer" + kHint);
  }
  Library library{table, Functions(table), nullptr, version};
  check(library.api, library.api.CreateEnv(kLogError, "layoutrt", &library.env));
  refuse_telemetry(library.api, library.env);
  return library;
}

}  // namespace

bool is_too_old(const std::string& version) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(version.c_str(), "%d.%d", &major, &minor) != 2) return false;  // a build of somebody's own
  return major < 1 || (major == 1 && minor < kOldestMinor);
}

const Library& open_library(const char* path) {
  static std::mutex mutex;
  // Never destroyed: sessions may outlive static destruction, and the library's threads do.
  static auto& libraries = *std::make_unique<std::map<void*, Library>>().release();
  const std::lock_guard<std::mutex> lock(mutex);
  refuse_telemetry();
  void* handle = open_handle(path);
  const auto found = libraries.find(handle);  // dlopen gives an open library's handle again
  if (found != libraries.end()) return found->second;
  return libraries.emplace(handle, load(handle)).first->second;
}

}  // namespace layoutrt::ort
