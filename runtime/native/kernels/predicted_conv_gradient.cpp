// Gradients of PredictedConv with p = 1: three small matrix products per channel, over pixels that stay in
// the first-level cache.
//
//   k[t,q]      = bias[t] + sum_j weight[t,j] * h[j,q]     the kernels, predicted again
//   kg[t,q]     = k[t,q] * grad[q]                         scattered by the taps, this is the gradient of xh
//   gk[t,q]     = grad[q] * xh[q + offset of t]            the gradient of the kernels
//   grad_h     += weight' * gk
//   grad_weight += gk * h'
//
// As in padded_strip.h, rows are copied into padded planes in which rows follow each other without edges;
// grad is zero at the pads, so nothing computed there counts. A row of halo on both sides is predicted twice,
// which lets every part write its own rows only.

#include "kernels/kernels.h"
#include "kernels/predict.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

constexpr int kTileVectors = 12;
constexpr int64_t kTile = kTileVectors * kLanes;
constexpr int kFeatures = 4;                             // of grad_h at a time
constexpr int kGradVectors = kManyRegisters ? 4 : 2;     // of grad_h at a time
constexpr int kWeightFeatures = kManyRegisters ? 2 : 1;  // of grad_weight at a time

// A padded plane: pixel j of row r, counted from the halo row above, is at 1 + r * stride + j.
struct Plane {
  int64_t rows;    // of the part
  int64_t stride;  // rows share their pads
  int64_t begin;   // of the part's own pixels
  int64_t end;
  int64_t pixels;  // in whole vectors
  int64_t size;    // with a vector that may be read beyond
  int64_t margin;  // a tap may look so far beyond either end
};

Plane make_plane(const PredictedConvGradient& conv, int64_t rows) {
  Plane plane;
  plane.rows = rows;
  plane.stride = conv.width + 1;
  plane.begin = plane.stride + 1;
  plane.end = (rows + 1) * plane.stride;
  plane.pixels = round_up((rows + 2) * plane.stride + 1, kLanes);
  plane.size = plane.pixels + kLanes;
  plane.margin = round_up(plane.stride + 1, kLanes);
  return plane;
}

struct Scratch {
  float* h;            // [features] planes
  float* grad_h;       // [features] planes
  float* x;            // a plane with margins
  float* grad;         // a plane
  float* kg;           // [9] planes
  float* grad_x;       // a plane
  float* gk;           // [9, kTile]
  float* grad_weight;  // [features, 9] vectors, to be summed up
};

size_t lay_out(const PredictedConvGradient& conv, const Plane& plane, float* memory, Scratch* scratch) {
  size_t used = 0;
  const auto take = [&](int64_t count) {
    float* here = memory + used;
    used += static_cast<size_t>(count);
    return here;
  };
  scratch->h = take(conv.features * plane.size);
  scratch->grad_h = take(conv.features * plane.size);
  scratch->x = take(plane.size + 2 * plane.margin);
  scratch->grad = take(plane.size);
  scratch->kg = take(kTaps * plane.size);
  scratch->grad_x = take(plane.size);
  scratch->gk = take(kTaps * kTile);
  scratch->grad_weight = take(conv.features * kTaps * kLanes);
  return used * sizeof(float);
}

void clear(float* begin, float* end) {
  for (; begin < end; ++begin) *begin = 0.0f;
}

// to = scale * from + shift in the rows [row_begin - 1, row_begin + rows + 1) of the image, 0 elsewhere.
void pad(const PredictedConvGradient& conv, const Plane& plane, int64_t row_begin, const float* from,
         const float* scale, const float* shift, float* to) {
  for (int64_t r = 0; r < plane.rows + 2; ++r) {
    const int64_t row = row_begin + r - 1;
    float* line = to + r * plane.stride;
    if (row < 0 || row >= conv.height) {
      clear(line, line + plane.stride);
      continue;
    }
    const float* source = from + row * conv.width;
    line[0] = 0.0f;
    if (scale != nullptr) {
      for (int64_t j = 0; j < conv.width; ++j) line[j + 1] = *scale * source[j] + *shift;
    } else {
      for (int64_t j = 0; j < conv.width; ++j) line[j + 1] = source[j];
    }
  }
  clear(to + (plane.rows + 2) * plane.stride, to + plane.size);
}

LRT_INLINE int64_t offset_of(int64_t stride, int tap) { return (tap / 3 - 1) * stride + tap % 3 - 1; }

LRT_INLINE float sum_of(Vector value) {
  float sum = 0.0f;
  for (int lane = 0; lane < kLanes; ++lane) sum += value[lane];
  return sum;
}

// kg of V vectors of pixels from `at` on, for the taps [first, first + T).
template <int T, int V>
LRT_INLINE void predict_taps(const PredictedConvGradient& conv, const Plane& plane, const Scratch& scratch,
                             int64_t channel, int64_t at, int first) {
  const float* weight = conv.weight + channel * conv.features * kTaps + first;
  const float* bias = conv.bias + channel * kTaps + first;
  const float* h = scratch.h + at;
  Vector acc[T][V];
#pragma GCC unroll 9
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[t][v] = broadcast(bias[t]);
  }
  for (int64_t j = 0; j < conv.features; ++j, h += plane.size, weight += kTaps) {
    accumulate<T, V>(acc, h, weight, 1);
  }
#pragma GCC unroll 3
  for (int v = 0; v < V; ++v) {
    const Vector grad = load(scratch.grad + at + v * kLanes);
#pragma GCC unroll 9
    for (int t = 0; t < T; ++t) {
      store(scratch.kg + (first + t) * plane.size + at + v * kLanes, acc[t][v] * grad);
    }
  }
}

template <int V>
void predict(const PredictedConvGradient& conv, const Plane& plane, const Scratch& scratch, int64_t channel,
             int64_t at) {
#pragma GCC unroll 1
  for (int first = 0; first < kTaps; first += kTapsAtOnce) {
    predict_taps<kTapsAtOnce, V>(conv, plane, scratch, channel, at, first);
  }
}

// gk of the tile from `at` on, with zeros outside the part's own rows: those are another part's to count.
void kernel_gradient(const Plane& plane, const Scratch& scratch, int64_t at, int64_t pixels) {
  const int64_t before = smaller(plane.begin - at, pixels);
  const int64_t after = plane.end - at < 0 ? 0 : plane.end - at;
  for (int t = 0; t < kTaps; ++t) {
    float* gk = scratch.gk + t * kTile;
    const float* x = scratch.x + plane.margin + at + offset_of(plane.stride, t);
    for (int64_t p = 0; p < pixels; p += kLanes) store(gk + p, load(scratch.grad + at + p) * load(x + p));
    if (before > 0) clear(gk, gk + before);
    if (after < pixels) clear(gk + after, gk + pixels);
  }
}

// grad_h of J features from `feature` on and V vectors of pixels: `p` is the first's place in the tile.
template <int J, int V>
LRT_INLINE void add_grad_h(const Plane& plane, const Scratch& scratch, const float* weight, int64_t feature,
                           int64_t at, int64_t p) {
  float* to = scratch.grad_h + feature * plane.size + at + p;
  Vector acc[J][V];
#pragma GCC unroll 4
  for (int j = 0; j < J; ++j) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[j][v] = load(to + j * plane.size + v * kLanes);
  }
  for (int t = 0; t < kTaps; ++t) {
    Vector gk[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) gk[v] = load(scratch.gk + t * kTile + p + v * kLanes);
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) {
      const Vector w = broadcast(weight[j * kTaps + t]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[j][v] += w * gk[v];
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < J; ++j) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(to + j * plane.size + v * kLanes, acc[j][v]);
  }
}

template <int J>
void feature_gradient(const Plane& plane, const Scratch& scratch, const float* weight, int64_t feature,
                      int64_t at, int64_t pixels) {
  weight += feature * kTaps;
  int64_t p = 0;
  for (; p + kGradVectors * kLanes <= pixels; p += kGradVectors * kLanes) {
    add_grad_h<J, kGradVectors>(plane, scratch, weight, feature, at, p);
  }
  for (; p < pixels; p += kLanes) add_grad_h<J, 1>(plane, scratch, weight, feature, at, p);
}

template <int J>
void weight_gradient(const Plane& plane, const Scratch& scratch, int64_t feature, int64_t at,
                     int64_t pixels) {
  const float* h = scratch.h + feature * plane.size + at;
  float* to = scratch.grad_weight + feature * kTaps * kLanes;
  Vector acc[J][kTaps];
#pragma GCC unroll 18
  for (int i = 0; i < J * kTaps; ++i) acc[i / kTaps][i % kTaps] = load(to + i * kLanes);
  for (int64_t p = 0; p < pixels; p += kLanes) {
    Vector value[J];
#pragma GCC unroll 2
    for (int j = 0; j < J; ++j) value[j] = load(h + j * plane.size + p);
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; ++t) {
      const Vector gk = load(scratch.gk + t * kTile + p);
#pragma GCC unroll 2
      for (int j = 0; j < J; ++j) acc[j][t] += gk * value[j];
    }
  }
#pragma GCC unroll 18
  for (int i = 0; i < J * kTaps; ++i) store(to + i * kLanes, acc[i / kTaps][i % kTaps]);
}

// All gradients of one channel but that of x, for which kg is left in the scratch memory.
void run_channel(const PredictedConvGradient& conv, const Plane& plane, const Scratch& scratch,
                 int64_t channel, int64_t part) {
  const float* weight = conv.weight + channel * conv.features * kTaps;
  float* weight_to = conv.grad_weight + (part * conv.channels + channel) * kTaps * conv.features;
  float* bias_to = conv.grad_bias + (part * conv.channels + channel) * kTaps;
  clear(scratch.grad_weight, scratch.grad_weight + conv.features * kTaps * kLanes);
  Vector bias[kTaps] = {};
  for (int64_t at = 0; at < plane.pixels; at += kTile) {
    const int64_t pixels = smaller(kTile, plane.pixels - at);
    int64_t p = 0;
    for (; p + kVectors * kLanes <= pixels; p += kVectors * kLanes) {
      predict<kVectors>(conv, plane, scratch, channel, at + p);
    }
    for (; p < pixels; p += kLanes) predict<1>(conv, plane, scratch, channel, at + p);
    if (at + pixels <= plane.begin || at >= plane.end) continue;

    kernel_gradient(plane, scratch, at, pixels);
    for (int t = 0; t < kTaps; ++t) {
      for (p = 0; p < pixels; p += kLanes) bias[t] += load(scratch.gk + t * kTile + p);
    }
    int64_t j = 0;
    for (; j + kFeatures <= conv.features; j += kFeatures) {
      feature_gradient<kFeatures>(plane, scratch, weight, j, at, pixels);
    }
    for (; j < conv.features; ++j) feature_gradient<1>(plane, scratch, weight, j, at, pixels);
    for (j = 0; j + kWeightFeatures <= conv.features; j += kWeightFeatures) {
      weight_gradient<kWeightFeatures>(plane, scratch, j, at, pixels);
    }
    for (; j < conv.features; ++j) weight_gradient<1>(plane, scratch, j, at, pixels);
  }
  for (int t = 0; t < kTaps; ++t) {
    bias_to[t] = sum_of(bias[t]);
    for (int64_t j = 0; j < conv.features; ++j) {
      weight_to[t * conv.features + j] = sum_of(load(scratch.grad_weight + (j * kTaps + t) * kLanes));
    }
  }
}

// grad_x of one channel, gathered from kg; sums gets the part's share of the gradients of scale and shift.
void input_gradient(const PredictedConvGradient& conv, const Plane& plane, const Scratch& scratch,
                    const float* x, float scale, float* grad_x, double* sums) {
  for (int64_t p = plane.begin; p < plane.end; p += kLanes) {
    Vector sum{};
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; ++t) sum += load(scratch.kg + t * plane.size + p - offset_of(plane.stride, t));
    store(scratch.grad_x + p, sum);
  }
  if (sums != nullptr) sums[0] = sums[1] = 0.0;
  for (int64_t r = 0; r < plane.rows; ++r) {
    const float* line = scratch.grad_x + 1 + (r + 1) * plane.stride;
    float* to = grad_x + r * conv.width;
    if (sums == nullptr) {
      __builtin_memcpy(to, line, static_cast<size_t>(conv.width) * sizeof(float));
      continue;
    }
    const float* source = x + r * conv.width;
    Vector by_x{};
    Vector plain{};
    int64_t j = 0;
    for (; j + kLanes <= conv.width; j += kLanes) {
      const Vector grad = load(line + j);
      by_x += grad * load(source + j);
      plain += grad;
      store(to + j, scale * grad);
    }
    sums[0] += static_cast<double>(sum_of(by_x));
    sums[1] += static_cast<double>(sum_of(plain));
    for (; j < conv.width; ++j) {
      sums[0] += static_cast<double>(line[j] * source[j]);
      sums[1] += static_cast<double>(line[j]);
      to[j] = scale * line[j];
    }
  }
}

}  // namespace

size_t predicted_conv_gradient_scratch(const PredictedConvGradient& conv, int64_t rows) {
  Scratch scratch;
  return lay_out(conv, make_plane(conv, rows), nullptr, &scratch);
}

void predicted_conv_gradient(const PredictedConvGradient& conv, int64_t image, int64_t row_begin,
                             int64_t row_end, int64_t part, float* memory) {
  const Plane plane = make_plane(conv, row_end - row_begin);
  const int64_t plane_size = conv.height * conv.width;
  Scratch scratch;
  lay_out(conv, plane, memory, &scratch);
  clear(scratch.x, scratch.x + plane.margin);
  clear(scratch.x + plane.margin + plane.size, scratch.x + 2 * plane.margin + plane.size);
  clear(scratch.grad_h, scratch.grad_h + conv.features * plane.size);
  for (int64_t j = 0; j < conv.features; ++j) {
    pad(conv, plane, row_begin, conv.h + (image * conv.features + j) * plane_size, nullptr, nullptr,
        scratch.h + j * plane.size);
  }
  const bool affine = conv.scale != nullptr;
  for (int64_t c = 0; c < conv.channels; ++c) {
    const int64_t first = (image * conv.channels + c) * plane_size;
    pad(conv, plane, row_begin, conv.x + first, affine ? conv.scale + c : nullptr,
        affine ? conv.shift + c : nullptr, scratch.x + plane.margin);
    pad(conv, plane, row_begin, conv.grad + first, nullptr, nullptr, scratch.grad);
    run_channel(conv, plane, scratch, c, part);
    const int64_t own = first + row_begin * conv.width;
    input_gradient(conv, plane, scratch, conv.x + own, affine ? conv.scale[c] : 1.0f, conv.grad_x + own,
                   affine ? conv.sums + (part * conv.channels + c) * 2 : nullptr);
  }
  for (int64_t j = 0; j < conv.features; ++j) {
    for (int64_t r = 0; r < plane.rows; ++r) {
      const float* line = scratch.grad_h + j * plane.size + 1 + (r + 1) * plane.stride;
      float* to = conv.grad_h + (image * conv.features + j) * plane_size + (row_begin + r) * conv.width;
      __builtin_memcpy(to, line, static_cast<size_t>(conv.width) * sizeof(float));
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
