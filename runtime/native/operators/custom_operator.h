// An operator class as ONNX Runtime's table of callbacks.
#pragma once

#include <memory>

#include "onnxruntime/abi.h"
#include "onnxruntime/status.h"
#include "operators/kernel_context.h"
#include "operators/shape_inference.h"

namespace layoutrt::operators {

struct Input {
  int element_type;
  bool optional;
};

// `Operator` has kName, kInputs, kOutput (the element type of its one output), a constructor from KernelInfo,
// compute(KernelContext) and a static infer(ShapeInference). All of them may throw.
template <class Operator>
class CustomOperator : public ort::CustomOp {
 public:
  explicit CustomOperator(const ort::Functions& api) : ort::CustomOp{}, api_(api) {
    version = ort::kApiVersion;
    GetName = [](const CustomOp*) { return Operator::kName; };
    GetExecutionProviderType = [](const CustomOp*) -> const char* { return nullptr; };
    GetInputType = [](const CustomOp*, size_t i) -> int { return Operator::kInputs[i].element_type; };
    GetInputTypeCount = [](const CustomOp*) { return std::size(Operator::kInputs); };
    GetInputCharacteristic = [](const CustomOp*, size_t i) -> int { return Operator::kInputs[i].optional; };
    GetInputMemoryType = [](const CustomOp*, size_t) { return 0; };
    GetOutputType = [](const CustomOp*, size_t) -> int { return Operator::kOutput; };
    GetOutputTypeCount = [](const CustomOp*) -> size_t { return 1; };
    GetOutputCharacteristic = [](const CustomOp*, size_t) { return 0; };
    GetVariadicInputMinArity = GetVariadicOutputMinArity = [](const CustomOp*) { return 1; };
    GetVariadicInputHomogeneity = GetVariadicOutputHomogeneity = [](const CustomOp*) { return 1; };
    GetStartVersion = [](const CustomOp*) { return 1; };
    GetEndVersion = [](const CustomOp*) { return 1; };
    CreateKernelV2 = create_kernel;
    KernelComputeV2 = compute;
    KernelDestroy = [](void* kernel) { std::unique_ptr<Kernel>(static_cast<Kernel*>(kernel)); };
    InferOutputShapeFn = infer;
  }

 private:
  struct Kernel {
    const ort::Functions& api;
    Operator op;
  };

  static OrtStatus* create_kernel(const CustomOp* self, const OrtApi*, const OrtKernelInfo* info,
                                  void** kernel) {
    const auto& api = static_cast<const CustomOperator*>(self)->api_;
    return ort::guarded(api, [&] {
      auto made = std::unique_ptr<Kernel>(new Kernel{api, Operator(KernelInfo(api, info))});
      *kernel = made.release();
    });
  }

  static OrtStatus* compute(void* kernel, OrtKernelContext* context) {
    auto& made = *static_cast<Kernel*>(kernel);
    return ort::guarded(made.api, [&] { made.op.compute(KernelContext(made.api, context)); });
  }

  static OrtStatus* infer(const CustomOp* self, OrtShapeInferContext* context) {
    const auto& api = static_cast<const CustomOperator*>(self)->api_;
    return ort::guarded(api, [&] { Operator::infer(ShapeInference(api, context, Operator::kOutput)); });
  }

  const ort::Functions& api_;
};

}  // namespace layoutrt::operators
