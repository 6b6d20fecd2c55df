// The CUDA kernels (cuda/operators.h) as C functions, which layoutrt/operators/torch/backends/cuda.py calls
// through ctypes on torch's tensors. Internal: no part of the public C API.
//
// Pointers are device pointers of contiguous tensors, `stream` is a cudaStream_t; numbers and pointers mean
// what the structs of cuda/operators.h say. Every function returns a cudaError_t, allocates nothing and never
// waits.
#pragma once

#include <stdint.h>

#if defined(__GNUC__)
#define LRT_CUDA_EXPORT __attribute__((visibility("default")))
#else
#define LRT_CUDA_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Version of layoutrt that the library belongs to, such as "0.1.0".
LRT_CUDA_EXPORT const char* lrt_cuda_version(void);

// CUDA's description of an error, such as "no kernel image is available for execution on the device".
LRT_CUDA_EXPORT const char* lrt_cuda_error_text(int32_t error);

LRT_CUDA_EXPORT int32_t lrt_cuda_spatially_varying_conv(const void* x, const void* w, const void* scale,
                                                        const void* shift, void* y, int32_t n,
                                                        int32_t channels, int32_t height, int32_t width,
                                                        int32_t k, int32_t type, void* stream);

LRT_CUDA_EXPORT int32_t lrt_cuda_layout_conv(const void* labels, const void* table, const void* bias, void* y,
                                             int32_t n, int32_t channels, int32_t height, int32_t width,
                                             int32_t count, int32_t k, int32_t stride, int32_t label_type,
                                             int32_t type, void* stream);

LRT_CUDA_EXPORT int32_t lrt_cuda_predicted_conv(const void* x, const void* h, const void* weight,
                                                const void* bias, const void* scale, const void* shift,
                                                void* y, int32_t n, int32_t channels, int32_t features,
                                                int32_t height, int32_t width, int32_t p, int32_t h_layout,
                                                int32_t type, void* stream);

LRT_CUDA_EXPORT int32_t lrt_cuda_quantized_predicted_conv(
    const void* x, const void* h, const void* weight, const void* weight_scale, const void* bias,
    const void* scale, const void* shift, void* y, int32_t n, int32_t channels, int32_t features,
    int32_t height, int32_t width, int32_t p, int32_t h_layout, int32_t y_layout, int32_t h_type,
    int32_t type, float h_scale, float y_scale, void* stream);

#ifdef __cplusplus
}
#endif
