// The features under a tile of pixels, in shared memory as the tensor cores read them: the features of a
// pixel side by side, quantized where the products are of 8-bit numbers. The p x p taps of the predictor are
// then shifted pixels of one tile.
#pragma once

#include <device/ptx.cuh>

#include "predictor.cuh"

namespace layoutrt::cuda {

// A pixel's level, -128 to 127. The quotient is rounded to float before it is rounded to a level; a product
// with the reciprocal would differ at ties.
__device__ inline int8_t quantize(float value, float scale) {
  const float level = rintf(__fdiv_rn(value, scale));
  return static_cast<int8_t>(fminf(fmaxf(level, -128.0f), 127.0f));
}

template <class Element, class Source>
__device__ inline Element convert(Source value, float scale) {
  if constexpr (std::is_same_v<Element, Source>) {
    return value;
  } else {
    return quantize(to_float(value), scale);
  }
}

constexpr int kFeaturesAtOnce = 8;

// Eight features of a pixel, as they are stored.
template <class Element>
union FeatureUnit {
  std::conditional_t<sizeof(Element) == 2, uint4, uint2> bits;
  Element elements[kFeaturesAtOnce];
};

// From features that lie `stride` apart, of which `left` exist.
template <class Element, class Source>
__device__ inline void gather(FeatureUnit<Element>& out, const Source* from, int64_t stride, int left,
                              float scale) {
  Source values[kFeaturesAtOnce];
#pragma unroll
  for (int i = 0; i < kFeaturesAtOnce; ++i) {
    if (i < left) values[i] = __ldg(from);
    from += stride;
  }
#pragma unroll
  for (int i = 0; i < kFeaturesAtOnce; ++i) {
    if (i < left) out.elements[i] = convert<Element>(values[i], scale);
  }
}

// From halves that lie side by side. What pads the last eight is not a number that counts.
template <class Element>
__device__ inline void gather_neighbors(FeatureUnit<Element>& out, const __half* from, int left,
                                        float scale) {
  FeatureUnit<__half> in;
  in.bits = __ldg(reinterpret_cast<const uint4*>(from));
#pragma unroll
  for (int i = 0; i < kFeaturesAtOnce; ++i) {
    if (i < left) out.elements[i] = convert<Element>(in.elements[i], scale);
  }
}

// From 8-bit features that lie side by side, as they are.
__device__ inline void gather_neighbors(FeatureUnit<int8_t>& out, const int8_t* from, int left) {
  FeatureUnit<int8_t> in;
  in.bits = __ldg(reinterpret_cast<const uint2*>(from));
#pragma unroll
  for (int i = 0; i < kFeaturesAtOnce; ++i) {
    if (i < left) out.elements[i] = in.elements[i];
  }
}

// Fills `tile` with `count` features of each pixel from feature `first`, a multiple of 8; zeros past the last
// feature and outside of the image. A pixel takes `pitch` bytes. Some of it is copied asynchronously, in the
// group of copies that is committed next.
template <class Element, class Source, int P, class Tile>
__device__ void load_features(unsigned char* tile, const PredictorParameters& p, int image, int row0,
                              int column0, int first, int count, int pitch) {
  using Shared = SharedLayout<P, Tile>;
  const int64_t plane = static_cast<int64_t>(p.height) * p.width;
  const int units = count / kFeaturesAtOnce, padded = (p.features + 7) / 8 * 8;  // of kNhwc8
#pragma unroll 1
  for (int item = static_cast<int>(threadIdx.x); item < Shared::kFeaturePixels * units;
       item += Tile::kThreads) {
    // Neighboring threads read what lies side by side.
    const bool by_pixel = p.h_layout == Layout::kNchw;
    const int unit = by_pixel ? item / Shared::kFeaturePixels : item % units;
    const int pixel = by_pixel ? item % Shared::kFeaturePixels : item / units;
    const int row = row0 + pixel / Shared::kFeatureColumns - P / 2;
    const int column = column0 + pixel % Shared::kFeatureColumns - P / 2;
    const int feature = first + unit * kFeaturesAtOnce, left = p.features - feature;
    const bool inside = row >= 0 && row < p.height && column >= 0 && column < p.width && left > 0;
    const Source* h = static_cast<const Source*>(p.h);
    const int64_t at = static_cast<int64_t>(row) * p.width + column;
    unsigned char* to = tile + pixel * pitch + unit * kFeaturesAtOnce * static_cast<int>(sizeof(Element));
    if constexpr (std::is_same_v<Element, __half>) {
      if (!by_pixel && left >= kFeaturesAtOnce) {
        copy_async(to, h + (image * plane + at) * padded + feature, inside);
        continue;
      }
    }
    FeatureUnit<Element> out;
    out.bits = {};
    if (inside && by_pixel) {
      const int64_t first_plane = static_cast<int64_t>(image) * p.features + feature;
      gather<Element>(out, h + first_plane * plane + at, plane, left, p.h_scale);
    } else if constexpr (std::is_same_v<Source, __half>) {
      if (inside) {
        gather_neighbors<Element>(out, h + (image * plane + at) * padded + feature, left, p.h_scale);
      }
    } else if constexpr (std::is_same_v<Source, int8_t>) {
      // kNchw32
      const int64_t block = static_cast<int64_t>(image) * ((p.features + 31) / 32) + feature / 32;
      if (inside) gather_neighbors(out, h + (block * plane + at) * 32 + feature % 32, left);
    }
    *reinterpret_cast<decltype(out.bits)*>(to) = out.bits;
  }
}

}  // namespace layoutrt::cuda
