// Replacement of TensorRT's part if its headers or CUDA were missing when the library was built.

#include "error.h"
#include "formats/engine_manifest.h"
#include "tensorrt/tensorrt_engine.h"

namespace layoutrt {

bool has_tensorrt() { return false; }

std::unique_ptr<Engine> open_tensorrt(const std::string& path, const lrt_session_options&) {
  read_engine_manifest(path);  // a file that is missing or damaged is said first
  throw Error(LRT_NOT_FOUND,
              path +
                  " is a TensorRT engine and this liblayoutrt was built without TensorRT; install "
                  "TensorRT's headers and CUDA and reinstall layoutrt, or open the engine from Python "
                  "with the packages tensorrt and pycuda");
}

}  // namespace layoutrt
