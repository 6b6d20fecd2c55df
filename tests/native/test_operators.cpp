// Every operator, with the kernels of the instruction set that LAYOUTRT_ISA names, against float64 at sizes
// that fit no vector, block or tile; on one thread and on several, with the same result.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>

#include "expect.h"
#include "operator_host.h"
#include "reference.h"

using namespace layoutrt::test;
namespace ort = layoutrt::ort;

namespace {

struct Size {
  int64_t n, h, w;
};

class Numbers {
 public:
  Value floats(std::vector<int64_t> dims, double deviation = 1.0) {
    Value value = make_value(ort::kFloat, std::move(dims));
    std::normal_distribution<double> normal(0.0, deviation);
    for (int64_t i = 0; i < count_elements(value.dims); ++i) {
      value.as<float>()[i] = static_cast<float>(normal(engine_));
    }
    return value;
  }

  // Multiples of `step`, a quarter off: never halfway between two quantized values.
  Value steps(std::vector<int64_t> dims, float step) {
    Value value = make_value(ort::kFloat, std::move(dims));
    for (int64_t i = 0; i < count_elements(value.dims); ++i) {
      value.as<float>()[i] = (static_cast<float>(whole(-140, 140)) + 0.25f) * step;
    }
    return value;
  }

  template <class T>
  Value bytes(int type, std::vector<int64_t> dims, int least, int most) {
    Value value = make_value(type, std::move(dims));
    for (int64_t i = 0; i < count_elements(value.dims); ++i)
      value.as<T>()[i] = static_cast<T>(whole(least, most));
    return value;
  }

  std::vector<float> scales(int64_t count) {
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(0.002f + 0.0001f * static_cast<float>(whole(0, 50)));
    return values;
  }

  int whole(int least, int most) { return std::uniform_int_distribution<int>(least, most)(engine_); }

 private:
  std::mt19937 engine_{1};
};

std::string describe(const Node& node) {
  std::string text = node.op;
  for (const Value& value : node.inputs) {
    text += " [";
    for (const int64_t dim : value.dims) text += std::to_string(dim) + " ";
    text += "]";
  }
  return text;
}

// Results within `tolerance` of the largest expected magnitude, at most `outliers` excepted.
void expect_close(const Value& y, const Image& expected, double tolerance, size_t outliers,
                  const std::string& about) {
  if (y.dims != std::vector<int64_t>{expected.n, expected.c, expected.h, expected.w}) {
    return EXPECT_THAT(false, about + ": another shape than expected");
  }
  const Image got(y);
  double largest = 1.0;
  double error = 0.0;
  size_t off = 0;
  for (const double value : expected.values) largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double distance = std::fabs(got.values[i] - expected.values[i]);
    if (!(distance <= tolerance * largest)) ++off;
    error = std::max(error, distance);
  }
  EXPECT_THAT(off <= outliers, about + ": off by " + std::to_string(error) + " of " +
                                   std::to_string(largest) + " at " + std::to_string(off) + " places");
}

void check(Node node, const Image& expected, double tolerance = 1e-5, size_t outliers = 0) {
  const std::string about = describe(node);
  for (const bool constant : {false, true}) {
    for (size_t i = 2; i < node.inputs.size(); ++i) node.inputs[i].constant = constant;
    if (node.op == "LayoutConv" || node.op == "ConvToImage") node.inputs[1].constant = constant;
    const Result one = run(node, 1);
    EXPECT_THAT(one.error.empty(), about + ": " + one.error);
    if (!one.error.empty()) return;
    expect_close(one.y, expected, tolerance, outliers, about);
    const Result three = run(node, 3);
    EXPECT_THAT(
        three.error.empty() && std::memcmp(one.y.data.get(), three.y.data.get(), byte_count(one.y)) == 0,
        about + ": three threads compute something else");
  }
  std::string error;
  EXPECT_THAT(infer(node, &error) == (std::vector<int64_t>{expected.n, expected.c, expected.h, expected.w}),
              about + ": another shape inferred " + error);
}

void test_spatially_varying_conv(Numbers* numbers) {
  for (const int64_t k : {1, 3, 5, 7}) {
    for (const Size size : {Size{1, 1, 1}, Size{2, 3, 5}, Size{1, 2, 37}, Size{1, 19, 67}}) {
      const int64_t c = size.w % 4 + 1;
      const Value x = numbers->floats({size.n, c, size.h, size.w});
      const Value w = numbers->floats({size.n, c * k * k, size.h, size.w});
      check({"SpatiallyVaryingConv", {x, w}}, spatially_varying_conv(Image(x), Image(w)));
      const Value scale = numbers->floats({c});
      const Value shift = numbers->floats({c});
      check({"SpatiallyVaryingConv", {x, w, scale, shift}},
            spatially_varying_conv(affine(Image(x), Image(scale), Image(shift)), Image(w)));
    }
  }
}

void test_layout_conv(Numbers* numbers) {
  for (const int64_t k : {1, 3, 5, 7}) {
    for (const int64_t stride : {1, 2}) {
      for (const Size size : {Size{1, 1, 1}, Size{2, 3, 7}, Size{1, 33, 41}}) {
        const int64_t count = size.h == 33 ? 256 : 5;
        const int64_t c = size.h == 3 ? 65 : 3;
        const Value labels =
            numbers->bytes<uint8_t>(ort::kUint8, {size.n, size.h, size.w}, 0, count == 5 ? 6 : 255);
        // Half of it one label: windows of a single label have a way of their own.
        const int64_t elements = count_elements(labels.dims);
        std::fill_n(labels.as<uint8_t>(), elements / 2, uint8_t{3});
        const Value table = numbers->floats({count, k * k, c});
        const Value bias = numbers->floats({c});
        Node node{"LayoutConv", {labels, table, bias}};
        node.ints["strides"] = {stride, stride};
        check(node, layout_conv(labels, table, bias, stride));
      }
    }
  }
}

struct PredictorSize {
  int64_t n, c, j, h, w, p;
};
// Both ways of p = 3: Winograd's with 16 features and 8 tiles of 4x4 or more.
constexpr PredictorSize kPredictors[] = {{1, 1, 1, 1, 1, 1},     {2, 3, 5, 3, 7, 1},  {1, 17, 4, 5, 53, 1},
                                         {1, 2, 37, 13, 31, 1},  {1, 1, 1, 1, 1, 3},  {2, 3, 5, 3, 7, 3},
                                         {1, 5, 3, 9, 70, 3},    {1, 2, 17, 2, 3, 3}, {2, 3, 16, 9, 21, 3},
                                         {1, 37, 18, 14, 15, 3}, {1, 2, 16, 1, 67, 3}};

void test_predicted_conv(Numbers* numbers) {
  for (const auto& [n, c, j, h, w, p] : kPredictors) {
    const Value x = numbers->floats({n, c, h, w});
    const Value features = numbers->floats({n, j, h, w});
    const Value weight = numbers->floats({c * 9, j, p, p}, 0.3);
    const Value bias = numbers->floats({c * 9});
    const Image kernels = conv(Image(features), Image(weight), Image(bias));
    check({"PredictedConv", {x, features, weight, bias}}, spatially_varying_conv(Image(x), kernels), 2e-5);
    const Value scale = numbers->floats({c});
    const Value shift = numbers->floats({c});
    check({"PredictedConv", {x, features, weight, bias, scale, shift}},
          spatially_varying_conv(affine(Image(x), Image(scale), Image(shift)), kernels), 2e-5);
  }
}

void test_quantized_predicted_conv(Numbers* numbers) {
  const float h_scale = 0.03125f;
  for (const auto& [n, c, j, h, w, p] : kPredictors) {
    const Value x = numbers->floats({n, c, h, w});
    const Value features = numbers->steps({n, j, h, w}, h_scale);
    const Value weight = numbers->bytes<int8_t>(ort::kInt8, {c * 9, j, p, p}, -128, 127);
    const Value bias = numbers->floats({c * 9});
    Node node{"QuantizedPredictedConv", {x, features, weight, bias}};
    node.numbers["h_scale"] = h_scale;
    node.integers["h_zero_point"] = numbers->whole(0, 255);
    node.floats["weight_scale"] = numbers->scales(c);
    const Image kernels = conv(quantize(Image(features), h_scale, node.integers["h_zero_point"]),
                               dequantize(Image(weight), node.floats["weight_scale"], 9), Image(bias));
    check(node, spatially_varying_conv(Image(x), kernels));
    node.inputs.push_back(numbers->floats({c}));
    node.inputs.push_back(numbers->floats({c}));
    check(node,
          spatially_varying_conv(affine(Image(x), Image(node.inputs[4]), Image(node.inputs[5])), kernels));
  }
}

struct GateSize {
  int64_t n, c, j, g, o, h, w;
};
constexpr GateSize kGates[] = {
    {1, 1, 1, 1, 1, 1, 1}, {2, 3, 5, 2, 4, 3, 7}, {1, 17, 4, 9, 19, 5, 23}, {1, 4, 21, 21, 7, 11, 13}};

// The inputs of a gated operator; x, h, weight, bias, scale, shift, mix, mix_bias, gate_h, gate_weight,
// gate_bias, residual.
std::vector<Value> gated_inputs(const GateSize& size, bool number, int weight_type, float h_scale,
                                float gate_scale, Numbers* numbers) {
  const auto& [n, c, j, g, o, h, w] = size;
  const auto weight = [&](int64_t rows, int64_t columns) {
    return weight_type == ort::kInt8 ? numbers->bytes<int8_t>(ort::kInt8, {rows, columns, 1, 1}, -128, 127)
                                     : numbers->floats({rows, columns, 1, 1}, 0.4);
  };
  return {numbers->floats({n, c, h, w}),
          numbers->steps({n, j, h, w}, h_scale),
          weight(c * 9, j),
          numbers->floats({c * 9}),
          numbers->floats({c}),
          numbers->floats({c}),
          weight(o, c),
          numbers->floats({o}),
          numbers->steps({n, g, h, w}, gate_scale),
          weight(o, g),
          numbers->floats({o}),
          number ? numbers->floats({1, 1, 1, 1}) : numbers->floats({n, o, h, w})};
}

void test_gated_predicted_conv(Numbers* numbers) {
  for (const GateSize& size : kGates) {
    for (const bool number : {false, true}) {
      Node node{"GatedPredictedConv", gated_inputs(size, number, ort::kFloat, 0.02f, 0.02f, numbers)};
      node.numbers["alpha"] = 0.1f;
      std::vector<Image> in;
      for (const Value& value : node.inputs) in.emplace_back(value);
      const Image d = spatially_varying_conv(affine(in[0], in[4], in[5]), conv(in[1], in[2], in[3]));
      const Image expected = gate(conv(d, in[6], in[7]), conv(in[8], in[9], in[10]), in[11], 0.1f);
      check(node, expected, 2e-5);
    }
  }
}

void test_quantized_gated_predicted_conv(Numbers* numbers) {
  const float h_scale = 0.03125f;
  const float mix_in_scale = 0.05f;
  const float gate_scale = 0.0625f;
  for (const GateSize& size : kGates) {
    for (const bool number : {false, true}) {
      Node node{"QuantizedGatedPredictedConv",
                gated_inputs(size, number, ort::kInt8, h_scale, gate_scale, numbers)};
      node.numbers = {{"h_scale", h_scale}, {"mix_in_scale", mix_in_scale}, {"gate_h_scale", gate_scale}};
      node.integers = {{"h_zero_point", 120}, {"mix_in_zero_point", 131}, {"gate_h_zero_point", 7}};
      auto& floats = node.floats;
      floats = {{"weight_scale", numbers->scales(size.c)},
                {"mix_scale", numbers->scales(size.o)},
                {"gate_weight_scale", numbers->scales(size.o)}};
      std::vector<Image> in;
      for (const Value& value : node.inputs) in.emplace_back(value);
      const Image kernels =
          conv(quantize(in[1], h_scale, 120), dequantize(in[2], floats["weight_scale"], 9), in[3]);
      const Image d = spatially_varying_conv(affine(in[0], in[4], in[5]), kernels);
      const Image mixed =
          conv(quantize(d, mix_in_scale, 131), dequantize(in[6], floats["mix_scale"], 1), in[7]);
      const Image gates =
          conv(quantize(in[8], gate_scale, 7), dequantize(in[9], floats["gate_weight_scale"], 1), in[10]);
      // d is not of our choice: where it is halfway between two quantized values, a result may be a step off.
      const Image expected = gate(mixed, gates, in[11], 0.2f);
      check(node, expected, 1e-5, 1 + expected.values.size() / 500);
    }
  }
}

void test_conv_to_image(Numbers* numbers) {
  for (const auto& [n, c, d, h, w] : {std::array<int64_t, 5>{1, 1, 0, 1, 1},
                                      {2, 3, 0, 5, 7},
                                      {1, 5, 3, 9, 70},
                                      {1, 17, 6, 37, 19},
                                      {1, 2, 0, 4, 530}}) {
    const Value x = numbers->floats({n, c, h, w});
    const Value weight = numbers->floats({3, c + d, 3, 3}, 0.2);
    const Value bias = numbers->floats({3}, 0.2);
    Node node{"ConvToImage", {x, weight, bias}};
    Image features(n, c + d, h, w);
    const Value y = numbers->floats({n, d, h, w});
    if (d > 0) node.inputs.push_back(y);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t p = 0; p < (c + d) * h * w; ++p) {
        features.values[static_cast<size_t>(i * (c + d) * h * w + p)] =
            p < c * h * w ? x.as<float>()[i * c * h * w + p] : y.as<float>()[i * d * h * w + p - c * h * w];
      }
    }
    const Image expected = to_bytes(conv(features, Image(weight), Image(bias)));
    // A value halfway between two bytes may become either.
    check(node, expected, 0.0, 1 + expected.values.size() / 500);
    check(node, expected, 1.0 / 255.0);
  }
}

// Shapes and attributes that must be refused in a sentence.
void test_refusals(Numbers* numbers) {
  const Value x = numbers->floats({1, 2, 3, 4});
  const Value h = numbers->floats({1, 5, 3, 4});
  const Value bias = numbers->floats({18});
  const std::vector<Node> wrong = {
      {"SpatiallyVaryingConv", {x, numbers->floats({1, 8, 3, 4})}},
      {"SpatiallyVaryingConv", {x, numbers->floats({1, 18, 3})}},
      {"SpatiallyVaryingConv", {x, numbers->floats({1, 18, 3, 4}), numbers->floats({2})}},
      {"LayoutConv", {numbers->floats({3, 4}), numbers->floats({5, 9, 2}), numbers->floats({2})}},
      {"LayoutConv", {make_value(ort::kUint8, {1, 3, 4}), numbers->floats({0, 9, 2}), numbers->floats({2})}},
      {"PredictedConv", {x, h, numbers->floats({18, 5, 2, 2}), bias}},
      {"PredictedConv", {x, h, numbers->floats({18, 4, 3, 3}), bias}},
      {"PredictedConv", {x, h, numbers->floats({17, 5, 1, 1}), numbers->floats({17})}},
      {"PredictedConv", {x, numbers->floats({1, 0, 3, 4}), numbers->floats({18, 0, 3, 3}), bias}},
      {"PredictedConv", {x, numbers->floats({1, 0, 3, 4}), numbers->floats({18, 0, 1, 1}), bias}},
      {"ConvToImage", {numbers->floats({1, 0, 3, 4}), numbers->floats({3, 0, 3, 3}), numbers->floats({3})}},
      {"QuantizedPredictedConv", {x, h, make_value(ort::kInt8, {18, 5, 1, 1}), bias}},
      {"GatedPredictedConv", std::vector<Value>(12, x)},
  };
  for (const Node& node : wrong) {
    const Result result = run(node, 1);
    EXPECT_THAT(result.error.find(node.op) == 0, describe(node) + ": '" + result.error + "'");
  }
}

}  // namespace

int main() {
  Numbers numbers;
  std::printf("%s: ", lrt_simd());
  test_spatially_varying_conv(&numbers);
  test_layout_conv(&numbers);
  test_predicted_conv(&numbers);
  test_quantized_predicted_conv(&numbers);
  test_gated_predicted_conv(&numbers);
  test_quantized_gated_predicted_conv(&numbers);
  test_conv_to_image(&numbers);
  test_refusals(&numbers);
  return summary();
}
