#include "cuda_api/cuda_api.h"

#include "cuda/operators.h"
#include "layoutrt/layoutrt.h"

namespace cuda = layoutrt::cuda;

#define LRT_TEXT_OF(number) #number
#define LRT_TEXT(number) LRT_TEXT_OF(number)

namespace {

// Common arguments of the two predicted convolutions, without weights and types.
template <class Operator>
Operator predicted(const void* x, const void* h, const void* bias, const void* scale, const void* shift,
                   void* y, int32_t n, int32_t channels, int32_t features, int32_t height, int32_t width,
                   int32_t p, int32_t h_layout, int32_t type) {
  Operator op{};
  op.x = x;
  op.h = h;
  op.bias = bias;
  op.scale = scale;
  op.shift = shift;
  op.y = y;
  op.n = n;
  op.channels = channels;
  op.features = features;
  op.height = height;
  op.width = width;
  op.p = p;
  op.h_layout = static_cast<cuda::Layout>(h_layout);
  op.type = static_cast<cuda::Type>(type);
  return op;
}

}  // namespace

const char* lrt_cuda_version(void) {
  return LRT_TEXT(LRT_VERSION_MAJOR) "." LRT_TEXT(LRT_VERSION_MINOR) "." LRT_TEXT(LRT_VERSION_PATCH);
}

const char* lrt_cuda_error_text(int32_t error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

int32_t lrt_cuda_spatially_varying_conv(const void* x, const void* w, const void* scale, const void* shift,
                                        void* y, int32_t n, int32_t channels, int32_t height, int32_t width,
                                        int32_t k, int32_t type, void* stream) {
  cuda::SpatiallyVaryingConv op{};
  op.x = x;
  op.w = w;
  op.scale = scale;
  op.shift = shift;
  op.y = y;
  op.n = n;
  op.channels = channels;
  op.height = height;
  op.width = width;
  op.k = k;
  op.type = static_cast<cuda::Type>(type);
  return cuda::launch(op, static_cast<cudaStream_t>(stream));
}

int32_t lrt_cuda_layout_conv(const void* labels, const void* table, const void* bias, void* y, int32_t n,
                             int32_t channels, int32_t height, int32_t width, int32_t count, int32_t k,
                             int32_t stride, int32_t label_type, int32_t type, void* stream) {
  cuda::LayoutConv op{};
  op.labels = labels;
  op.table = table;
  op.bias = bias;
  op.y = y;
  op.n = n;
  op.channels = channels;
  op.height = height;
  op.width = width;
  op.count = count;
  op.k = k;
  op.stride = stride;
  op.label_type = static_cast<cuda::Type>(label_type);
  op.type = static_cast<cuda::Type>(type);
  return cuda::launch(op, static_cast<cudaStream_t>(stream));
}

int32_t lrt_cuda_predicted_conv(const void* x, const void* h, const void* weight, const void* bias,
                                const void* scale, const void* shift, void* y, int32_t n, int32_t channels,
                                int32_t features, int32_t height, int32_t width, int32_t p, int32_t h_layout,
                                int32_t type, void* stream) {
  auto op = predicted<cuda::PredictedConv>(x, h, bias, scale, shift, y, n, channels, features, height, width,
                                           p, h_layout, type);
  op.weight = weight;
  return cuda::launch(op, static_cast<cudaStream_t>(stream));
}

int32_t lrt_cuda_quantized_predicted_conv(const void* x, const void* h, const void* weight,
                                          const void* weight_scale, const void* bias, const void* scale,
                                          const void* shift, void* y, int32_t n, int32_t channels,
                                          int32_t features, int32_t height, int32_t width, int32_t p,
                                          int32_t h_layout, int32_t y_layout, int32_t h_type, int32_t type,
                                          float h_scale, float y_scale, void* stream) {
  auto op = predicted<cuda::QuantizedPredictedConv>(x, h, bias, scale, shift, y, n, channels, features,
                                                    height, width, p, h_layout, type);
  op.weight = static_cast<const int8_t*>(weight);
  op.weight_scale = static_cast<const float*>(weight_scale);
  op.h_scale = h_scale;
  op.y_scale = y_scale;
  op.y_layout = static_cast<cuda::Layout>(y_layout);
  op.h_type = static_cast<cuda::Type>(h_type);
  return cuda::launch(op, static_cast<cudaStream_t>(stream));
}
