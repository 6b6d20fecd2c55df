// What the tests of engines share: engines of the toy TensorRT, images, and sentences.
#pragma once

#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "expect.h"
#include "fake_cuda.h"
#include "layoutrt/layoutrt.hpp"
#include "toy_engine.h"

namespace engine_test {

using layoutrt::output;
using layoutrt::tensor;

inline std::string folder;
inline ToyFail* toy_fail;
inline ToyCount* toy_count;
inline ToyReset* toy_reset;

inline std::string version(int32_t number) {
  return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
         std::to_string(number % 100);
}
inline const std::string kVersion = version(NV_TENSORRT_VERSION);

inline void fresh(const fake_cuda::Machine& machine = {}) {
  fake_cuda::reset(machine);
  toy_reset();
}

inline std::string write(toy::Engine engine) {
  const std::string path = folder + "/m.engine";
  if (engine.tensorrt.empty()) engine.tensorrt = kVersion;
  toy::write(path, engine);
  return path;
}

// An image for run, and what it is to be.
struct Images {
  Images(int64_t height, int64_t width, int first = 1) : dims{1, height, width} {
    const auto pixels = static_cast<size_t>(height * width);
    for (size_t p = 0; p < pixels; ++p) {
      labels.push_back(static_cast<uint8_t>(first + static_cast<int>(p)));
      for (int c = 0; c < 3; ++c) wanted.push_back(static_cast<uint8_t>(3 * labels[p] + c + 2));
    }
    image.assign(wanted.size(), 0);
  }
  std::vector<lrt_tensor> inputs() {
    return {tensor("labels", {dims[0], dims[1], dims[2]}, labels.data()),
            tensor("z", {1, 4}, z, LRT_FLOAT32, sizeof(float))};
  }
  std::vector<lrt_tensor> outputs() {
    return {tensor("image", {dims[0], dims[1], dims[2], 3}, image.data())};
  }
  bool right() const { return image == wanted; }

  int64_t dims[3];
  std::vector<uint8_t> labels, image, wanted;
  float z[4] = {2, 0, 0, 0};
};

inline void run(layoutrt::Session& session, Images& images) {
  auto outputs = images.outputs();
  std::fill(images.image.begin(), images.image.end(), 0);
  session.run(images.inputs(), outputs);
}

// The sentence that `body` fails with, after its status; "" where it succeeds.
template <class Body>
std::string refused(const Body& body) {
  try {
    body();
    return "";
  } catch (const layoutrt::Exception& error) {
    return std::to_string(error.status()) + " " + error.what();
  }
}

#define EXPECT_REFUSED(status, sentence, ...)                                                             \
  do {                                                                                                    \
    const std::string said = refused([&] { __VA_ARGS__; });                                               \
    EXPECT_THAT(said.find(std::to_string(status) + " ") == 0 && said.find(sentence) != std::string::npos, \
                "said: " + said);                                                                         \
  } while (false)

#define EXPECT_OPEN_REFUSED(status, sentence, engine) \
  EXPECT_REFUSED(status, sentence, layoutrt::Session opened(write(engine)))

// Opens the toy TensorRT, which LAYOUTRT_TENSORRT then names; false where it is not there.
inline bool open_toy(const char* path) {
  setenv("LAYOUTRT_TENSORRT", path, 1);
  void* nvinfer = dlopen(path, RTLD_NOW);
  if (nvinfer == nullptr) return false;
  toy_fail = reinterpret_cast<ToyFail*>(dlsym(nvinfer, "toy_fail"));
  toy_count = reinterpret_cast<ToyCount*>(dlsym(nvinfer, "toy_count"));
  toy_reset = reinterpret_cast<ToyReset*>(dlsym(nvinfer, "toy_reset"));
  return true;
}

}  // namespace engine_test
