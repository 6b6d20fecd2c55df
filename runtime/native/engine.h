// What runs a model. One class per backend; a session checks every call before an engine sees it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "error.h"
#include "layoutrt/layoutrt.h"

namespace layoutrt {

struct TensorInfo {
  std::string name;
  lrt_dtype dtype = LRT_UNDEFINED;
  std::vector<int64_t> dims;  // -1: dynamic
};

struct EngineTimings {
  double copy_in_ms = 0;
  double engine_ms = 0;
  double copy_out_ms = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual const std::vector<TensorInfo>& inputs() const = 0;
  virtual const std::vector<TensorInfo>& outputs() const = 0;
  virtual const std::map<std::string, std::string>& metadata() const = 0;
  virtual std::string backend() const = 0;
  // Threads of a run; 0: it runs on a GPU.
  virtual int32_t threads() const { return 0; }

  // Every input of the model, and the outputs wanted, each fitting its TensorInfo. Outputs without data are
  // given memory of the engine that is good until the next run. Throws Error.
  virtual EngineTimings run(const std::vector<const lrt_tensor*>& inputs,
                            const std::vector<lrt_tensor*>& outputs) = 0;

  // The same on device memory: enqueued on `stream`, a cudaStream_t, and not waited for. Outputs have data.
  // Throws Error.
  virtual void run_device(const std::vector<const lrt_tensor*>&, const std::vector<lrt_tensor*>&, void*) {
    throw Error(LRT_INVALID_ARGUMENT,
                "the model runs on the CPU, which takes no device memory; build a TensorRT engine of it with "
                "layoutrt build-engine, or use lrt_session_run");
  }
};

}  // namespace layoutrt
