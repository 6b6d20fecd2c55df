#include "operators/conv_to_image.h"

#include <algorithm>

#include "kernels/kernels.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kOutputs = 3;
constexpr int64_t kTaps = 9;
constexpr int64_t kStripBytes = 512 * 1024;  // half of the second-level cache of a current core
constexpr int64_t kMaxColumns = 512;
constexpr int64_t kParts =
    16;  // of a batch, at least, for as many threads; more would copy more rows of halo

int64_t divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Weight [3, C, 3, 3] with what meets one column of values side by side: [C, 3 columns, 3 rows, 3 outputs].
std::vector<float> pack(const Tensor& weight) {
  const int64_t channels = weight.shape[1];
  std::vector<float> packed(static_cast<size_t>(element_count(weight.shape)));
  const float* from = weight.as<float>();
  for (int64_t o = 0; o < kOutputs; ++o) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t t = 0; t < kTaps; ++t, ++from) {
        packed[((c * 3 + t % 3) * 3 + t / 3) * kOutputs + o] = *from;
      }
    }
  }
  return packed;
}

// The parts of a batch: tiles of rows and columns of one image.
class ImageTiles {
 public:
  ImageTiles(const kernels::ConvToImage& conv, int64_t images)
      : images_(images), height_(conv.height), width_(conv.width) {
    constexpr int64_t kGroup = kernels::kConvToImageRows;
    const int64_t channels = conv.x_channels + conv.y_channels;
    const int64_t fitting = kStripBytes / static_cast<int64_t>(sizeof(float)) / channels;
    const int64_t widest = std::clamp<int64_t>(fitting / (kGroup + 2), 64, kMaxColumns);
    tile_columns_ = divide(width_, divide(width_, widest));
    across_ = divide(width_, tile_columns_);
    const int64_t groups =
        std::min((fitting / tile_columns_ - 2) / kGroup, images * across_ * height_ / (kParts * kGroup));
    tile_rows_ = std::max<int64_t>(groups, 1) * kGroup;
    down_ = divide(height_, tile_rows_);
  }
  int64_t count() const { return images_ * down_ * across_; }
  int64_t image(int64_t part) const { return part / (down_ * across_); }
  kernels::Tile tile(int64_t part) const {
    kernels::Tile tile{};
    tile.channel_end = kOutputs;
    tile.column_begin = part % across_ * tile_columns_;
    tile.column_end = std::min(tile.column_begin + tile_columns_, width_);
    tile.row_begin = part / across_ % down_ * tile_rows_;
    tile.row_end = std::min(tile.row_begin + tile_rows_, height_);
    return tile;
  }

 private:
  int64_t images_, height_, width_;
  int64_t tile_rows_, tile_columns_;
  int64_t down_, across_;
};

}  // namespace

ConvToImage::ConvToImage(const KernelInfo& info) {
  Tensor weight;
  if (!info.constant_input(1, &weight)) return;
  require_shape(kName, "weight", "[3, C + D, 3, 3]", {kOutputs, -1, 3, 3}, weight.shape);
  packed_ = pack(weight);
}

void ConvToImage::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor weight = context.input(1);
  const Tensor bias = context.input(2);
  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  const int64_t images = x.shape[0];
  const int64_t height = x.shape[2];
  const int64_t width = x.shape[3];
  Tensor y;
  if (context.has_input(3)) {
    y = context.input(3);
    require_shape(kName, "y", "[N, D, H, W]", {images, -1, height, width}, y.shape);
  }
  const int64_t y_channels = y.shape.empty() ? 0 : y.shape[1];
  require_shape(kName, "weight", "[3, C + D, 3, 3]", {kOutputs, x.shape[1] + y_channels, 3, 3}, weight.shape);
  require_shape(kName, "bias", "[3]", {kOutputs}, bias.shape);
  uint8_t* image = context.output<uint8_t>({images, height, width, kOutputs});
  if (images == 0 || height == 0 || width == 0) return;
  require_channels(kName, "x", x.shape);

  std::vector<float> made;
  if (packed_.empty()) made = pack(weight);
  const kernels::ConvToImage conv{x.as<float>(),    y.as<float>(), (packed_.empty() ? made : packed_).data(),
                                  bias.as<float>(), image,         x.shape[1],
                                  y_channels,       height,        width};
  const ImageTiles tiles(conv, images);
  const auto& table = kernels::kernel_table();
  context.parallel_for(tiles.count(), [&](int64_t i) {
    const kernels::Tile tile = tiles.tile(i);
    table.conv_to_image(conv, tiles.image(i), tile, thread_scratch(table.conv_to_image_scratch(conv, tile)));
  });
}

void ConvToImage::infer(const ShapeInference& inference) {
  const auto x = inference.input(0);
  if (x.size() != 4) return inference.set_output({});
  Dimension outputs;
  outputs.size = kOutputs;
  inference.set_output({x[0], x[2], x[3], outputs});
}

}  // namespace layoutrt::operators
