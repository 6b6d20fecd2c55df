// The manifest M.engine.json beside a TensorRT engine M.engine: what it is, and where it can run. It is read
// and compared before TensorRT sees the engine. layoutrt/artifacts/engine_manifest.py does the same with the
// same sentences, and writes the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace layoutrt {

struct EngineManifest {
  std::string tensorrt;  // that built it, such as "10.3.0" or "10.3.0.26"
  std::string gpu_name;  // that it was built on
  std::string compute_capability;
  bool version_compatible = false;
  std::string hardware_compatible;  // "none", "ampere_plus" or "same_compute_capability"
  bool dla = false;
  std::string operator_library;  // version of layoutrt that its plugins are of
  std::string onnx_file;         // that it was built from
  std::string engine_sha256;
  int64_t engine_bytes = 0;
  std::map<std::string, std::string> metadata;  // of the ONNX file
};

// True if a model file is an engine, by its name.
bool is_engine(const std::string& path);

// Each throws Error.
//
// The engine or the manifest is missing, or the manifest is damaged or of a newer layoutrt.
EngineManifest read_engine_manifest(const std::string& engine);

// Machine on which an engine is to run.
struct EngineHost {
  std::string tensorrt;
  std::string gpu_name;
  std::string compute_capability;
  std::string operator_library;  // version of layoutrt that the operator library at hand is of
};

// TensorRT, the GPU or the operator library is another.
void check_engine_host(const EngineManifest& manifest, const std::string& engine, const EngineHost& host);

// The engine file is another.
void check_engine_file(const EngineManifest& manifest, const std::string& engine, const void* data,
                       size_t size);

}  // namespace layoutrt
