// Functions that layoutrt.operators calls from torch: forward and backward of the operators on plain float32
// memory.
//
// This is not a public API: Python and the library are built and installed together. All tensors are
// contiguous, of the shapes given, checked by the caller. scale and shift are both NULL or both given; with
// them come grad_scale and grad_shift. Every function writes all of its outputs and returns LRT_OK, or
// LRT_OUT_OF_MEMORY, or LRT_INVALID_ARGUMENT where LAYOUTRT_ISA is refused (lrt_last_error() says why).
// Results do not depend on the number of threads.
#pragma once

#include <stdint.h>

#include "layoutrt/layoutrt.h"

extern "C" {

// x, y [n, c, height, width]; w [n, c*k*k, height, width]; k = 1, 3, 5 or 7.
LRT_EXPORT lrt_status lrt_train_spatially_varying_conv(const float* x, const float* w, const float* scale,
                                                       const float* shift, float* y, int64_t n, int64_t c,
                                                       int64_t height, int64_t width, int32_t k,
                                                       int32_t threads);
LRT_EXPORT lrt_status lrt_train_spatially_varying_conv_backward(
    const float* grad, const float* x, const float* w, const float* scale, const float* shift, float* grad_x,
    float* grad_w, float* grad_scale, float* grad_shift, int64_t n, int64_t c, int64_t height, int64_t width,
    int32_t k, int32_t threads);

// x, y [n, c, height, width]; h [n, features, height, width]; weight [c*9, features, p, p]; bias [c*9];
// p = 1 or 3.
LRT_EXPORT lrt_status lrt_train_predicted_conv(const float* x, const float* h, const float* weight,
                                               const float* bias, const float* scale, const float* shift,
                                               float* y, int64_t n, int64_t c, int64_t features,
                                               int64_t height, int64_t width, int32_t p, int32_t threads);
// The same with p = 1.
LRT_EXPORT lrt_status lrt_train_predicted_conv_backward(const float* grad, const float* x, const float* h,
                                                        const float* weight, const float* bias,
                                                        const float* scale, const float* shift, float* grad_x,
                                                        float* grad_h, float* grad_weight, float* grad_bias,
                                                        float* grad_scale, float* grad_shift, int64_t n,
                                                        int64_t c, int64_t features, int64_t height,
                                                        int64_t width, int32_t threads);

// labels [n, height, width]; table [label_count, k*k, c], 1 to 256 labels; bias [c];
// y [n, c, ceil(height/stride), ceil(width/stride)]; k = 1, 3, 5 or 7; stride 1 or 2.
LRT_EXPORT lrt_status lrt_train_layout_conv(const uint8_t* labels, const float* table, const float* bias,
                                            float* y, int64_t n, int64_t c, int64_t height, int64_t width,
                                            int32_t label_count, int32_t k, int32_t stride, int32_t threads);
LRT_EXPORT lrt_status lrt_train_layout_conv_backward(const float* grad, const uint8_t* labels,
                                                     float* grad_table, float* grad_bias, int64_t n,
                                                     int64_t c, int64_t height, int64_t width,
                                                     int32_t label_count, int32_t k, int32_t stride,
                                                     int32_t threads);

}  // extern "C"
