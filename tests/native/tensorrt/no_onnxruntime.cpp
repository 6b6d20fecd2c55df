// Stands for ONNX Runtime's engine and for the operators' kernels in programs that run engines only.

#include "error.h"
#include "kernels/kernels.h"
#include "onnxruntime/onnxruntime_engine.h"

namespace layoutrt {

std::unique_ptr<Engine> open_onnxruntime(const char*, const lrt_session_options&) {
  throw Error(LRT_NOT_FOUND, "this program has no ONNX Runtime");
}

std::unique_ptr<Engine> open_onnxruntime(const void*, size_t, const lrt_session_options&) {
  throw Error(LRT_NOT_FOUND, "this program has no ONNX Runtime");
}

namespace kernels {

const KernelTable& kernel_table() {
  static const KernelTable none{};
  return none;
}

}  // namespace kernels
}  // namespace layoutrt
