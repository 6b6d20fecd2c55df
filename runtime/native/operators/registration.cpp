#include "operators/registration.h"

#include <map>
#include <memory>
#include <mutex>

#include "kernels/kernels.h"
#include "onnxruntime/library.h"
#include "operators/conv_to_image.h"
#include "operators/custom_operator.h"
#include "operators/gated_predicted_conv.h"
#include "operators/layout_conv.h"
#include "operators/predicted_conv.h"
#include "operators/quantized_gated_predicted_conv.h"
#include "operators/quantized_predicted_conv.h"
#include "operators/spatially_varying_conv.h"

namespace layoutrt::operators {
namespace {

// Sessions refer to the operators for as long as they live, and may outlive every owner we could name: a
// registration is made once for each ONNX Runtime of the process and stays.
class Registration {
 public:
  explicit Registration(const OrtApi* table)
      : api(table),
        spatially_varying_conv_(api),
        layout_conv_(api),
        predicted_conv_(api),
        quantized_predicted_conv_(api),
        gated_predicted_conv_(api),
        quantized_gated_predicted_conv_(api),
        conv_to_image_(api) {
    ort::check(api, api.CreateCustomOpDomain("layoutrt", &domain));
    ort::check(api, api.CustomOpDomain_Add(domain, &spatially_varying_conv_));
    ort::check(api, api.CustomOpDomain_Add(domain, &layout_conv_));
    ort::check(api, api.CustomOpDomain_Add(domain, &predicted_conv_));
    ort::check(api, api.CustomOpDomain_Add(domain, &quantized_predicted_conv_));
    ort::check(api, api.CustomOpDomain_Add(domain, &gated_predicted_conv_));
    ort::check(api, api.CustomOpDomain_Add(domain, &quantized_gated_predicted_conv_));
    ort::check(api, api.CustomOpDomain_Add(domain, &conv_to_image_));
  }

  const ort::Functions api;
  OrtCustomOpDomain* domain = nullptr;

 private:
  CustomOperator<SpatiallyVaryingConv> spatially_varying_conv_;
  CustomOperator<LayoutConv> layout_conv_;
  CustomOperator<PredictedConv> predicted_conv_;
  CustomOperator<QuantizedPredictedConv> quantized_predicted_conv_;
  CustomOperator<GatedPredictedConv> gated_predicted_conv_;
  CustomOperator<QuantizedGatedPredictedConv> quantized_gated_predicted_conv_;
  CustomOperator<ConvToImage> conv_to_image_;
};

Registration& registration_for(const OrtApi* table) {
  static std::mutex mutex;
  // Never destroyed: static destructors run in no order that suits another library.
  static auto& registrations = *std::make_unique<std::map<const OrtApi*, Registration>>().release();
  const std::lock_guard<std::mutex> lock(mutex);
  return registrations.try_emplace(table, table).first->second;
}

}  // namespace

void add_to(OrtSessionOptions* options, const OrtApi* api) {
  kernels::kernel_table();  // refuses a LAYOUTRT_ISA that cannot be had, before a node is made
  Registration& registration = registration_for(api);
  ort::check(registration.api, registration.api.AddCustomOpDomain(options, registration.domain));
}

}  // namespace layoutrt::operators

// The symbol that onnxruntime.SessionOptions().register_custom_ops_library() looks for.
extern "C" __attribute__((visibility("default"))) OrtStatus* RegisterCustomOps(OrtSessionOptions* options,
                                                                               const OrtApiBase* base) {
  using layoutrt::ort::Functions;
  const bool too_old = layoutrt::ort::is_too_old(base->GetVersionString());
  const OrtApi* table = too_old ? nullptr : base->GetApi(layoutrt::ort::kApiVersion);
  if (table == nullptr) {
    // Too old for the slots used here, but CreateStatus is the first of every version.
    using CreateStatus = OrtStatus* (*)(int, const char*);
    const auto* oldest = reinterpret_cast<void* const*>(base->GetApi(1));
    const std::string sentence =
        std::string("ONNX Runtime ") + base->GetVersionString() +
        " is too old, layoutrt's operators need 1.20 or newer; install it with: pip install "
        "'onnxruntime>=1.20'";
    return reinterpret_cast<CreateStatus>(oldest[0])(layoutrt::ort::kFail, sentence.c_str());
  }
  const Functions api(table);
  return layoutrt::ort::guarded(api, [&] { layoutrt::operators::add_to(options, table); });
}
