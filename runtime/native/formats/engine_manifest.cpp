#include "formats/engine_manifest.h"

#include <sys/stat.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "error.h"
#include "formats/json.h"
#include "formats/sha256.h"

namespace layoutrt {
namespace {

constexpr int64_t kFormat = 1;  // the newest that this version reads
constexpr std::string_view kSuffix = ".engine";

std::string file_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

bool is_file(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// The member of this kind; throws std::invalid_argument where there is none.
const Json& member(const Json& object, std::string_view name, Json::Kind kind) {
  const Json* found = object.find(name);
  if (found == nullptr || found->kind != kind) throw std::invalid_argument(std::string(name));
  return *found;
}

std::string text(const Json& object, std::string_view name) {
  return member(object, name, Json::Kind::kString).string;
}

// The first `count` numbers of a version; none if it has fewer. Not every package tells NVIDIA's fourth
// number, of a build; TensorRT itself refuses one that it does not take.
std::optional<std::vector<int>> numbers(const std::string& version, size_t count) {
  std::vector<int> result;
  const char* at = version.data();
  const char* const end = at + version.size();
  while (result.size() < count) {
    int number = 0;
    const auto read = std::from_chars(at, end, number);
    if (read.ec != std::errc() || number < 0) return std::nullopt;
    result.push_back(number);
    at = read.ptr;
    if (result.size() == count) break;
    if (at == end || *at != '.') return std::nullopt;
    ++at;
  }
  if (at != end && *at != '.') return std::nullopt;
  return result;
}

std::vector<int> require_numbers(const std::string& version, size_t count) {
  const auto found = numbers(version, count);
  if (!found) throw std::invalid_argument(version);
  return *found;
}

EngineManifest parse(const Json& json) {
  EngineManifest manifest;
  manifest.tensorrt = text(json, "tensorrt");
  const Json& gpu = member(json, "gpu", Json::Kind::kObject);
  manifest.gpu_name = text(gpu, "name");
  manifest.compute_capability = text(gpu, "compute_capability");
  manifest.version_compatible = member(json, "version_compatible", Json::Kind::kBoolean).boolean;
  manifest.hardware_compatible = text(json, "hardware_compatible");
  manifest.dla = member(json, "dla", Json::Kind::kBoolean).boolean;
  manifest.operator_library = text(json, "operator_library");
  manifest.onnx_file = text(member(json, "onnx", Json::Kind::kObject), "file");
  manifest.engine_sha256 = text(json, "engine_sha256");
  manifest.engine_bytes = member(json, "engine_bytes", Json::Kind::kInteger).integer;
  for (const auto& [key, value] : member(json, "metadata", Json::Kind::kObject).members) {
    if (value.kind != Json::Kind::kString) throw std::invalid_argument(key);
    manifest.metadata[key] = value.string;
  }
  require_numbers(manifest.tensorrt, 3);
  require_numbers(manifest.compute_capability, 2);
  return manifest;
}

bool tensorrt_fits(const EngineManifest& manifest, const std::string& here) {
  const std::vector<int> built = require_numbers(manifest.tensorrt, 3);
  const std::vector<int> runs = require_numbers(here, 3);
  if (manifest.version_compatible) return built[0] == runs[0] && built <= runs;
  return built == runs;
}

bool gpu_fits(const EngineManifest& manifest, const std::string& here) {
  if (manifest.hardware_compatible == "ampere_plus") {
    return require_numbers(here, 2) >= std::vector<int>{8, 0};
  }
  // Both other levels ask for the same one.
  return manifest.compute_capability == here;
}

[[noreturn]] void refuse(const std::string& sentence) { throw Error(LRT_INVALID_MODEL, sentence); }

}  // namespace

bool is_engine(const std::string& path) {
  return path.size() >= kSuffix.size() &&
         path.compare(path.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0;
}

EngineManifest read_engine_manifest(const std::string& engine) {
  const std::string path = engine + ".json";
  if (!is_file(engine)) {
    throw Error(LRT_NOT_FOUND,
                "the engine " + engine + " does not exist; build it with: layoutrt build-engine");
  }
  if (!is_file(path)) {
    throw Error(LRT_NOT_FOUND, engine + " has no manifest " + file_name(path) +
                                   " beside it; copy both files, or build the engine with: "
                                   "layoutrt build-engine");
  }
  const std::string damaged = path + " is not an engine manifest; copy it again, or build the engine again";
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  try {
    const Json json = parse_json(content);
    const int64_t format = member(json, "format", Json::Kind::kInteger).integer;
    if (format > kFormat) {
      const Json* version = json.find("layoutrt");
      refuse(engine + " was built by a newer layoutrt (manifest format " + std::to_string(format) +
             ", version " + (version == nullptr ? "None" : version->string) +
             "); upgrade with: pip install --upgrade layoutrt");
    }
    return parse(json);
  } catch (const std::invalid_argument&) {
    refuse(damaged);
  }
}

void check_engine_host(const EngineManifest& manifest, const std::string& engine, const EngineHost& host) {
  const std::string again =
      "; build it again here: layoutrt build-engine " + manifest.onnx_file + " --out " + file_name(engine);
  if (!tensorrt_fits(manifest, host.tensorrt)) {
    refuse(engine + " was built with TensorRT " + manifest.tensorrt + " and this is " + host.tensorrt +
           again);
  }
  if (!gpu_fits(manifest, host.compute_capability)) {
    refuse(engine + " was built for compute capability " + manifest.compute_capability + " (" +
           manifest.gpu_name + ") and this GPU has " + host.compute_capability + " (" + host.gpu_name + ")" +
           again);
  }
  if (manifest.operator_library != host.operator_library) {
    refuse(engine + " was built with the operator library of layoutrt " + manifest.operator_library +
           " and this is " + host.operator_library + again);
  }
}

void check_engine_file(const EngineManifest& manifest, const std::string& engine, const void* data,
                       size_t size) {
  if (static_cast<int64_t>(size) != manifest.engine_bytes) {
    refuse(engine + " has " + std::to_string(size) + " bytes where its manifest says " +
           std::to_string(manifest.engine_bytes) +
           "; copy the engine and its manifest again, or build it again");
  }
  if (sha256(data, size) != manifest.engine_sha256) {
    refuse(engine +
           " is another file than its manifest describes (the SHA-256 differs); copy the engine and "
           "its manifest again, or build it again");
  }
}

}  // namespace layoutrt
