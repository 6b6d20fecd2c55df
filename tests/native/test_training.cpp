// Forward and backward of the training operators: y is linear in x, and in the weights, so the gradients must
// satisfy sum(grad * y) = sum(grad_x * x) = sum(grad_w * w). Buffers have exactly their size.

#include <cmath>
#include <random>
#include <vector>

#include "expect.h"
#include "training/training.h"

namespace {

std::mt19937 engine{1};

std::vector<float> random_floats(int64_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

std::vector<float> zeros(int64_t count) { return std::vector<float>(static_cast<size_t>(count)); }

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

void expect_equal(double a, double b, const char* operation) {
  EXPECT_THAT(std::fabs(a - b) <= 1e-3 * (1.0 + std::fabs(a)),
              std::string(operation) + ": " + std::to_string(a) + " is not " + std::to_string(b));
}

struct Size {
  int64_t n, c, h, w;
  int64_t plane() const { return n * h * w; }
};
constexpr Size kSizes[] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {1, 5, 37, 19}, {1, 18, 4, 53}};

void test_spatially_varying_conv() {
  for (const Size& s : kSizes) {
    for (const int32_t k : {1, 3, 5, 7}) {
      const auto x = random_floats(s.plane() * s.c);
      const auto w = random_floats(s.plane() * s.c * k * k);
      const auto scale = random_floats(s.c);
      const auto shift = random_floats(s.c);
      const auto grad = random_floats(s.plane() * s.c);
      auto y = zeros(s.plane() * s.c);
      auto grad_x = y;
      auto grad_w = zeros(s.plane() * s.c * k * k);
      auto grad_scale = zeros(s.c);
      auto grad_shift = zeros(s.c);
      EXPECT(lrt_train_spatially_varying_conv(x.data(), w.data(), nullptr, nullptr, y.data(), s.n, s.c, s.h,
                                              s.w, k, 3) == LRT_OK);
      EXPECT(lrt_train_spatially_varying_conv_backward(grad.data(), x.data(), w.data(), nullptr, nullptr,
                                                       grad_x.data(), grad_w.data(), nullptr, nullptr, s.n,
                                                       s.c, s.h, s.w, k, 3) == LRT_OK);
      expect_equal(dot(grad, y), dot(grad_x, x), "SpatiallyVaryingConv by x");
      expect_equal(dot(grad, y), dot(grad_w, w), "SpatiallyVaryingConv by w");
      EXPECT(lrt_train_spatially_varying_conv(x.data(), w.data(), scale.data(), shift.data(), y.data(), s.n,
                                              s.c, s.h, s.w, k, 2) == LRT_OK);
      EXPECT(lrt_train_spatially_varying_conv_backward(
                 grad.data(), x.data(), w.data(), scale.data(), shift.data(), grad_x.data(), grad_w.data(),
                 grad_scale.data(), grad_shift.data(), s.n, s.c, s.h, s.w, k, 2) == LRT_OK);
      expect_equal(dot(grad, y), dot(grad_scale, scale) + dot(grad_shift, shift),
                   "SpatiallyVaryingConv by scale and shift");
    }
  }
}

void test_predicted_conv() {
  for (const Size& s : kSizes) {
    for (const int64_t j : {1, 6, 19}) {
      const auto x = random_floats(s.plane() * s.c);
      const auto h = random_floats(s.plane() * j);
      const auto weight = random_floats(s.c * 9 * j);
      const auto bias = random_floats(s.c * 9);
      const auto scale = random_floats(s.c);
      const auto shift = random_floats(s.c);
      const auto grad = random_floats(s.plane() * s.c);
      auto y = zeros(s.plane() * s.c);
      auto grad_x = y;
      auto grad_h = zeros(s.plane() * j);
      auto grad_weight = zeros(s.c * 9 * j);
      auto grad_bias = zeros(s.c * 9);
      auto grad_scale = zeros(s.c);
      auto grad_shift = zeros(s.c);
      for (const bool affine : {false, true}) {
        const float* a = affine ? scale.data() : nullptr;
        const float* b = affine ? shift.data() : nullptr;
        EXPECT(lrt_train_predicted_conv(x.data(), h.data(), weight.data(), bias.data(), a, b, y.data(), s.n,
                                        s.c, j, s.h, s.w, 1, 3) == LRT_OK);
        EXPECT(lrt_train_predicted_conv_backward(
                   grad.data(), x.data(), h.data(), weight.data(), bias.data(), a, b, grad_x.data(),
                   grad_h.data(), grad_weight.data(), grad_bias.data(), affine ? grad_scale.data() : nullptr,
                   affine ? grad_shift.data() : nullptr, s.n, s.c, j, s.h, s.w, 3) == LRT_OK);
        expect_equal(dot(grad, y), dot(grad_weight, weight) + dot(grad_bias, bias),
                     "PredictedConv by weights");
        if (affine) {
          expect_equal(dot(grad, y), dot(grad_scale, scale) + dot(grad_shift, shift),
                       "PredictedConv by scale and shift");
        } else {
          expect_equal(dot(grad, y), dot(grad_x, x), "PredictedConv by x");
        }
      }
      const auto wide = random_floats(s.c * 9 * j * 9);
      EXPECT(lrt_train_predicted_conv(x.data(), h.data(), wide.data(), bias.data(), nullptr, nullptr,
                                      y.data(), s.n, s.c, j, s.h, s.w, 3, 3) == LRT_OK);
    }
  }
}

void test_layout_conv() {
  for (const Size& s : kSizes) {
    for (const int32_t k : {1, 3, 5, 7}) {
      for (const int32_t stride : {1, 2}) {
        const int32_t count = 7;
        std::vector<uint8_t> labels(static_cast<size_t>(s.plane()));
        for (uint8_t& label : labels) label = static_cast<uint8_t>(engine() % 9);
        const int64_t out = s.n * s.c * ((s.h - 1) / stride + 1) * ((s.w - 1) / stride + 1);
        const auto table = random_floats(count * k * k * s.c);
        const auto bias = random_floats(s.c);
        const auto grad = random_floats(out);
        auto y = zeros(out);
        auto grad_table = zeros(count * k * k * s.c);
        auto grad_bias = zeros(s.c);
        EXPECT(lrt_train_layout_conv(labels.data(), table.data(), bias.data(), y.data(), s.n, s.c, s.h, s.w,
                                     count, k, stride, 3) == LRT_OK);
        EXPECT(lrt_train_layout_conv_backward(grad.data(), labels.data(), grad_table.data(), grad_bias.data(),
                                              s.n, s.c, s.h, s.w, count, k, stride, 3) == LRT_OK);
        expect_equal(dot(grad, y), dot(grad_table, table) + dot(grad_bias, bias), "LayoutConv");
      }
    }
  }
}

}  // namespace

int main() {
  test_spatially_varying_conv();
  test_predicted_conv();
  test_layout_conv();
  return layoutrt::test::summary();
}
