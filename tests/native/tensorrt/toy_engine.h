// Engine files of the toy TensorRT, with their manifests.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

#include "formats/sha256.h"
#include "toy_nvinfer.h"

namespace toy {

struct Engine {
  std::string text =
      "input labels 5 -1 -1 -1\n"
      "input z 0 1 4\n"
      "profile 1 8 8  1 16 16  1 32 32\n"
      "output image 5 -1 -1 -1 3\n"
      "memory 4096\n";
  std::string tensorrt;  // of the manifest
  std::string gpu = "Test GPU";
  std::string compute_capability = "8.7";
  bool version_compatible = false;
  std::string hardware_compatible = "none";
  bool dla = false;
  std::string operator_library = "0.1.0";
  std::string metadata = R"("layoutrt.format": "1", "maker": "test")";
};

inline void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline void write(const std::string& path, const Engine& engine) {
  write(path, engine.text);
  const auto boolean = [](bool value) { return value ? "true" : "false"; };
  std::ostringstream json;
  json << R"({"format": 1, "layoutrt": "0.1.0", "tensorrt": ")" << engine.tensorrt << R"(", "cuda": "13.0",)"
       << R"("gpu": {"name": ")" << engine.gpu << R"(", "compute_capability": ")" << engine.compute_capability
       << R"("}, "version_compatible": )" << boolean(engine.version_compatible)
       << R"(, "hardware_compatible": ")" << engine.hardware_compatible << R"(", "dla": )"
       << boolean(engine.dla) << R"(, "operator_library": ")" << engine.operator_library
       << R"(", "precision": "fp16", "onnx": {"file": "m.onnx", "sha256": ""}, "engine_sha256": ")"
       << layoutrt::sha256(engine.text.data(), engine.text.size()) << R"(", "engine_bytes": )"
       << engine.text.size()
       << R"(, "inputs": [], "outputs": [], "workspace_mb": null, "build_seconds": 1.5,)"
       << R"("built": "2026-11-26T08:00:00Z", "metadata": {)" << engine.metadata << "}}";
  write(path + ".json", json.str());
}

}  // namespace toy
