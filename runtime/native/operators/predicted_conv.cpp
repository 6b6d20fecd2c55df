#include "operators/predicted_conv.h"

#include <algorithm>

#include "error.h"
#include "kernels/kernels.h"
#include "operators/affine.h"

namespace layoutrt::operators {
namespace {

constexpr int64_t kTaps = 9;
constexpr int64_t kStripBytes = 512 * 1024;  // of h: half of the second-level cache of a current core
constexpr int64_t kMinRows = 4;              // below, copying the rows of halo shows
constexpr int64_t kMaxColumns = 512;
constexpr int64_t kParts = 32;  // of a batch, at least: sixteen threads then have two each

// Weight [C*9, J, p, p] as [C, J*p*p, 9]: the nine weights that meet one value of h side by side.
std::vector<float> pack(const Tensor& weight) {
  require_shape(PredictedConv::kName, "weight", "[C*k*k, J, p, p]", {-1, -1, -1, -1}, weight.shape);
  const int64_t p = weight.shape[2];
  if (weight.shape[0] % kTaps != 0 || weight.shape[3] != p || (p != 1 && p != 3)) {
    throw Error(LRT_INVALID_ARGUMENT,
                "PredictedConv: weight must be [C*k*k, J, p, p] with k = 3 and p = 1 or 3, got " +
                    to_string(weight.shape));
  }
  const int64_t inner = weight.shape[1] * p * p;
  std::vector<float> packed(static_cast<size_t>(weight.shape[0] * inner));
  const float* from = weight.as<float>();
  for (int64_t row = 0; row < weight.shape[0]; ++row) {
    float* to = packed.data() + row / kTaps * inner * kTaps + row % kTaps;
    for (int64_t i = 0; i < inner; ++i) to[i * kTaps] = from[row * inner + i];
  }
  return packed;
}

// How an image is cut into parts: rows x columns x channels of one.
struct Grid {
  int64_t rows, columns, channels;
};

Grid choose_grid(const kernels::PredictedConv& conv, int64_t images) {
  const int64_t strip_pixels = kStripBytes / static_cast<int64_t>(sizeof(float)) / conv.features;
  const auto divide = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  Grid grid;
  const int64_t widest = std::clamp<int64_t>(strip_pixels / (kMinRows + 2), 64, kMaxColumns);
  grid.columns = divide(conv.width, divide(conv.width, widest));
  const int64_t across = divide(conv.width, grid.columns);
  const int64_t fitting = std::max(strip_pixels / (grid.columns + 2) - 2, kMinRows);
  const int64_t shared = std::max(divide(images * across * conv.height, kParts), kMinRows);
  grid.rows = std::min({fitting, shared, conv.height});
  const int64_t parts = images * across * divide(conv.height, grid.rows);
  grid.channels = divide(conv.channels, std::clamp<int64_t>(kParts / parts, 1, conv.channels));
  return grid;
}

}  // namespace

PredictedConv::PredictedConv(const KernelInfo& info) {
  Tensor weight;
  if (!info.constant_input(2, &weight)) return;
  packed_ = pack(weight);
  weight_shape_ = weight.shape;
}

void PredictedConv::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor h = context.input(1);
  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  const int64_t images = x.shape[0];
  const int64_t channels = x.shape[1];
  const int64_t height = x.shape[2];
  const int64_t width = x.shape[3];
  require_shape(kName, "h", "[N, J, H, W]", {images, -1, height, width}, h.shape);

  std::vector<float> packed_now;
  Shape weight_shape = weight_shape_;
  if (weight_shape.empty()) {
    const Tensor weight = context.input(2);
    packed_now = pack(weight);
    weight_shape = weight.shape;
  }
  require_shape(kName, "weight", "[C*k*k, J, p, p]",
                {channels * kTaps, h.shape[1], weight_shape[2], weight_shape[3]}, weight_shape);
  const Tensor bias = context.input(3);
  require_shape(kName, "bias", "[C*k*k]", {channels * kTaps}, bias.shape);
  const Affine affine = read_affine(context, kName, 4, channels);
  float* y = context.output(x.shape);
  if (element_count(x.shape) == 0) return;

  const float* packed = weight_shape_.empty() ? packed_now.data() : packed_.data();
  const kernels::PredictedConv conv{x.as<float>(), h.as<float>(), packed, bias.as<float>(),
                                    affine.scale,  affine.shift,  y,      channels,
                                    h.shape[1],    height,        width,  static_cast<int>(weight_shape[2])};
  const Grid grid = choose_grid(conv, images);
  const int64_t down = (height + grid.rows - 1) / grid.rows;
  const int64_t across = (width + grid.columns - 1) / grid.columns;
  const int64_t deep = (channels + grid.channels - 1) / grid.channels;
  const auto& table = kernels::kernel_table();
  context.parallel_for(images * down * across * deep, [&](int64_t i) {
    kernels::Tile tile;
    tile.channel_begin = i % deep * grid.channels;
    tile.channel_end = std::min(tile.channel_begin + grid.channels, channels);
    i /= deep;
    tile.column_begin = i % across * grid.columns;
    tile.column_end = std::min(tile.column_begin + grid.columns, width);
    i /= across;
    tile.row_begin = i % down * grid.rows;
    tile.row_end = std::min(tile.row_begin + grid.rows, height);
    float* scratch = thread_scratch(table.predicted_conv_scratch(conv, tile));
    table.predicted_conv(conv, i / down, tile, scratch);
  });
}

}  // namespace layoutrt::operators
