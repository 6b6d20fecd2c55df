// Exports of the operator library. TensorRT's IPluginRegistry::loadLibrary asks for getCreators and
// setLoggerFinder; nothing registers itself, so that a process may hold the library without TensorRT's own
// being linked.

#include <NvInferRuntime.h>

#include "layoutrt/layoutrt.h"
#include "tensorrt/plugins/creator.h"
#include "tensorrt/plugins/layout_conv.h"
#include "tensorrt/plugins/log.h"
#include "tensorrt/plugins/predicted_conv.h"
#include "tensorrt/plugins/quantized_predicted_conv.h"
#include "tensorrt/plugins/spatially_varying_conv.h"

#define LRT_TEXT_OF(number) #number
#define LRT_TEXT(number) LRT_TEXT_OF(number)

extern "C" {

LRT_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  static layoutrt::trt::Creator<layoutrt::trt::LayoutConv> layout_conv;
  static layoutrt::trt::Creator<layoutrt::trt::PredictedConv> predicted_conv;
  static layoutrt::trt::Creator<layoutrt::trt::QuantizedPredictedConv> quantized_predicted_conv;
  static layoutrt::trt::Creator<layoutrt::trt::SpatiallyVaryingConv> spatially_varying_conv;
  static nvinfer1::IPluginCreatorInterface* const creators[] = {
      &layout_conv, &predicted_conv, &quantized_predicted_conv, &spatially_varying_conv};
  count = sizeof(creators) / sizeof(creators[0]);
  return creators;
}

LRT_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { layoutrt::trt::set_logger_finder(finder); }

// Version of layoutrt, such as "0.1.0".
LRT_EXPORT const char* lrt_trt_version(void) {
  return LRT_TEXT(LRT_VERSION_MAJOR) "." LRT_TEXT(LRT_VERSION_MINOR) "." LRT_TEXT(LRT_VERSION_PATCH);
}

// Version of the TensorRT whose headers it was built against: its major number, and NV_TENSORRT_VERSION.
LRT_EXPORT int32_t lrt_trt_tensorrt_major(void) { return NV_TENSORRT_MAJOR; }
LRT_EXPORT int32_t lrt_trt_tensorrt_version(void) { return NV_TENSORRT_VERSION; }

}  // extern "C"
