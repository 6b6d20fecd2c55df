// PredictedConv with p = 1: per block of pixels, a product of the predictor with the block's features,
// applied to x while it is in registers.
//
// Blocks are the outer loop, so that the features of a block are loaded once and stay in the first-level
// cache while the channels pass over them. The weights stream from the second level in the order of the ONNX
// file, 36 bytes for every 27 vector operations. What the next block needs of h, x and y is fetched
// meanwhile: taken at once it would cost a quarter of the time where images exceed the caches.

#include "kernels/predict_block.h"

namespace layoutrt::kernels::LRT_ISA {
namespace {

struct Walk {
  const PredictedConv& conv;
  const PixelTile& tile;
  const PixelStrip& strip;
  const float* x;  // of the image
  const float* h;  // of the image
  float* y;        // of the image
  int64_t plane_size;
};

// Fetches a share of what the block at pixel `next` reads and writes: that of one channel.
LRT_INLINE void prefetch_next(const Walk& walk, int64_t next, int64_t channel) {
  const PredictedConv& conv = walk.conv;
  const int64_t channels = walk.tile.channel_end - walk.tile.channel_begin;
  const int64_t index = channel - walk.tile.channel_begin;
  prefetch_pixels<0>(walk.x + channel * walk.plane_size, next + walk.strip.width + 1, walk.plane_size);
  prefetch_pixels<1>(walk.y + channel * walk.plane_size, next, walk.plane_size);
  const int64_t last = (index + 1) * conv.features / channels;
  for (int64_t j = index * conv.features / channels; j < last; ++j) {
    prefetch_pixels<0>(walk.h + j * walk.plane_size, next, walk.plane_size);
  }
}

template <int V>
void run_block(const Walk& walk, int64_t first, int64_t count, const float* block, const float* x,
               const ColumnMasks& masks) {
  const PredictedConv& conv = walk.conv;
  for (int64_t c = walk.tile.channel_begin; c < walk.tile.channel_end; ++c, x += walk.strip.size) {
    prefetch_next(walk, first + kBlockPixels, c);
    Vector sum[V];
    predict_and_apply<V>(conv.weight + c * 9 * conv.features, conv.bias + c * 9, block, conv.features, x,
                         walk.strip.width, masks, sum);
    store_pixels<V>(walk.y + c * walk.plane_size + first, sum, count);
  }
}

}  // namespace

size_t predicted_conv_1x1_scratch(const PredictedConv& conv, const PixelTile& tile) {
  const PixelStrip strip(conv.width, tile.pixel_end - tile.pixel_begin);
  const int64_t channels = tile.channel_end - tile.channel_begin;
  return static_cast<size_t>(conv.features * kBlockPixels + channels * strip.size) * sizeof(float);
}

void predicted_conv_1x1(const PredictedConv& conv, int64_t image, const PixelTile& tile, float* scratch) {
  const int64_t plane_size = conv.height * conv.width;
  const PixelStrip strip(conv.width, tile.pixel_end - tile.pixel_begin);
  const Walk walk{conv,
                  tile,
                  strip,
                  conv.x + image * conv.channels * plane_size,
                  conv.h + image * conv.features * plane_size,
                  conv.y + image * conv.channels * plane_size,
                  plane_size};
  float* block = scratch;
  float* strips = block + conv.features * kBlockPixels;
  const bool affine = conv.scale != nullptr;
  int64_t filled = 0;
  for (int64_t p = tile.pixel_begin; p < tile.pixel_end; p += kBlockPixels) {
    const int64_t needed = strip.needed(p - tile.pixel_begin);
    for (int64_t c = tile.channel_begin; c < tile.channel_end; ++c) {
      fill_strip(walk.x + c * plane_size, plane_size, tile.pixel_begin - strip.lead + filled, needed - filled,
                 affine ? conv.scale + c : nullptr, affine ? conv.shift + c : nullptr,
                 strips + (c - tile.channel_begin) * strip.size + filled);
    }
    filled = needed;
    const int64_t count = smaller(kBlockPixels, tile.pixel_end - p);
    load_block(walk.h + p, plane_size, conv.features, count, block);
    ColumnMasks masks;
    mask_columns(p, conv.width, &masks);
    const float* x = strips + strip.lead + (p - tile.pixel_begin);
    if (count > 2 * kLanes) {
      run_block<3>(walk, p, count, block, x, masks);
    } else if (count > kLanes) {
      run_block<2>(walk, p, count, block, x, masks);
    } else {
      run_block<1>(walk, p, count, block, x, masks);
    }
  }
}

}  // namespace layoutrt::kernels::LRT_ISA
