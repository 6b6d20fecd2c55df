#include "registry.h"

#include <dlfcn.h>

#include <cstring>

namespace doubles {

using nvinfer1::IPluginCreatorInterface;
using nvinfer1::IPluginCreatorV3One;

namespace {

const IPluginCreatorV3One& v3(const IPluginCreatorInterface& creator) {
  return static_cast<const IPluginCreatorV3One&>(creator);
}

bool is(const IPluginCreatorInterface& creator, const char* name, const char* version, const char* space) {
  return std::strcmp(v3(creator).getPluginName(), name) == 0 &&
         std::strcmp(v3(creator).getPluginVersion(), version) == 0 &&
         std::strcmp(v3(creator).getPluginNamespace(), space) == 0;
}

}  // namespace

Registry::PluginLibraryHandle Registry::loadLibrary(const char* path) noexcept {
  ++loads_;
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return nullptr;
  using GetCreators = IPluginCreatorInterface* const* (*)(int32_t&);
  using SetLoggerFinder = void (*)(nvinfer1::ILoggerFinder*);
  const auto get = reinterpret_cast<GetCreators>(dlsym(handle, "getCreators"));
  const auto set = reinterpret_cast<SetLoggerFinder>(dlsym(handle, "setLoggerFinder"));
  if (get == nullptr) return nullptr;
  if (set != nullptr) set(&finder_);
  int32_t count = 0;
  IPluginCreatorInterface* const* creators = get(count);
  bool registered = true;
  for (int32_t i = 0; i < count; ++i) {
    registered = registerCreator(*creators[i], v3(*creators[i]).getPluginNamespace()) && registered;
  }
  return registered ? handle : nullptr;
}

bool Registry::registerCreator(IPluginCreatorInterface& creator, const char* space) noexcept {
  if (std::strcmp(creator.getInterfaceInfo().kind, "PLUGIN CREATOR_V3ONE") != 0) return false;
  if (getCreator(v3(creator).getPluginName(), v3(creator).getPluginVersion(), space) != nullptr) return false;
  creators_.push_back(&creator);
  return true;
}

IPluginCreatorInterface* Registry::getCreator(const char* name, const char* version,
                                              const char* space) noexcept {
  for (IPluginCreatorInterface* creator : creators_) {
    if (is(*creator, name, version, space)) return creator;
  }
  return nullptr;
}

}  // namespace doubles
