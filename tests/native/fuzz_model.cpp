// What a model file can bring that is not ONNX Runtime's to check: metadata, and the shapes and attributes of
// our operators; and what a caller can ask of a model. Nothing of it may crash, overflow or leak.
//
// The first byte of an input chooses the target:
//   'M' metadata: key, newline, value, zero byte, and so on
//   'O' an operator on shapes that are right but for what the bytes say
//   'R' a run of a made-up model, with shapes and strides that the bytes say
//   'P' a list of processors

#include <cstdlib>
#include <cstring>
#include <string>

#include "engine.h"
#include "error.h"
#include "operator_host.h"
#include "processors.h"
#include "session/session.h"

using namespace layoutrt;
using test::Node;
using test::Value;

namespace {

// The bytes of an input, one after the other, then zeros.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  uint8_t next() { return at_ == end_ ? 0 : *at_++; }
  bool done() const { return at_ == end_; }

  int64_t dim() {
    constexpr int64_t kOdd[] = {
        0,         1,         2,         255,       256,       65536,     INT32_MAX,     1LL << 31,
        1LL << 32, 1LL << 40, 1LL << 60, 1LL << 61, 1LL << 62, INT64_MAX, INT64_MAX / 9, INT64_MAX / 9 + 1,
        -1,        INT64_MIN};
    const uint8_t byte = next();
    return byte < 200 ? byte % 40 : kOdd[(byte - 200) % std::size(kOdd)];
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

// A model of the shapes and metadata it is given, which copies what it reads to what it writes.
class MadeUpEngine : public Engine {
 public:
  std::vector<TensorInfo> given, made;
  std::map<std::string, std::string> described;

  const std::vector<TensorInfo>& inputs() const override { return given; }
  const std::vector<TensorInfo>& outputs() const override { return made; }
  const std::map<std::string, std::string>& metadata() const override { return described; }
  std::string backend() const override { return "made up"; }
  EngineTimings run(const std::vector<const lrt_tensor*>& from, const std::vector<lrt_tensor*>& to) override {
    for (lrt_tensor* tensor : to) {
      if (tensor->data == nullptr) throw Error(LRT_RUNTIME_ERROR, "a made-up model has no memory");
      const size_t bytes = std::min(tensor->size_bytes, from[0]->size_bytes);
      if (bytes > 0) std::memcpy(tensor->data, from[0]->data, bytes);
    }
    return {};
  }
};

void read_metadata(const uint8_t* data, size_t size) {
  auto engine = std::make_unique<MadeUpEngine>();
  std::string text(reinterpret_cast<const char*>(data), size);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\0'), text.size());
    const std::string entry = text.substr(0, end);
    const size_t key = std::min(entry.find('\n'), entry.size());
    engine->described[entry.substr(0, key)] = key < entry.size() ? entry.substr(key + 1) : "";
    text.erase(0, end + 1);
  }
  try {
    const Session session(std::move(engine), "a model");
    if (session.label_set() == nullptr) return;
    const lrt_label_set set = session.label_set()->view();
    size_t sum = std::strlen(set.name);
    for (size_t i = 0; i < set.count; ++i) {
      sum += std::strlen(set.names[i]) + set.palette[3 * i + 2] + set.file_values[i] + set.things[i];
    }
    if (set.count < 1 || set.count > 255 || set.dont_care >= static_cast<int32_t>(set.count) || sum == 0) {
      // A label set without any text is possible only where its one name is empty.
      if (set.count < 1 || set.count > 255) std::abort();
    }
  } catch (const Error&) {
  }
}

void ask_for_a_run(Bytes bytes) {
  auto engine = std::make_unique<MadeUpEngine>();
  engine->given.push_back({"labels", LRT_UINT8, {bytes.dim(), bytes.dim(), bytes.dim()}});
  engine->made.push_back({"image", LRT_FLOAT32, {bytes.dim(), bytes.dim(), bytes.dim(), 3}});
  for (TensorInfo* info : {&engine->given[0], &engine->made[0]}) {
    for (int64_t& dim : info->dims) dim = dim > 64 ? -1 : dim;  // -1: open
  }
  const TensorInfo given = engine->given[0];
  const TensorInfo made = engine->made[0];
  // Two runs of one session: buffers are kept between them.
  Session session(std::move(engine), "a model");
  for (int turn = 0; turn < 2; ++turn) {
    std::vector<char> memory[2];
    lrt_tensor tensors[2] = {};
    for (int i = 0; i < 2; ++i) {
      lrt_tensor& tensor = tensors[i];
      tensor.name = i == 0 ? "labels" : "image";
      tensor.dtype = i == 0 ? LRT_UINT8 : LRT_FLOAT32;
      const auto& dims = i == 0 ? given.dims : made.dims;
      tensor.rank = static_cast<int32_t>(dims.size());
      const uint8_t flags = bytes.next();
      if (flags & 1) tensor.rank = static_cast<int32_t>(bytes.dim());
      if (flags & 2) tensor.dtype = static_cast<lrt_dtype>(bytes.next());
      for (size_t d = 0; d < dims.size(); ++d) tensor.dims[d] = dims[d] < 0 ? bytes.dim() : dims[d];
      int64_t size = i == 0 ? 1 : 4;
      for (size_t d = 0; d < dims.size(); ++d) {
        if (__builtin_mul_overflow(size, tensor.dims[d], &size)) size = 0;
      }
      if (flags & 4) {
        for (int64_t& stride : tensor.strides) stride = bytes.dim();
      }
      if (flags & 8) size = bytes.dim();
      if (flags & 16 && size <= 1 << 20) size += bytes.next();
      tensor.size_bytes = static_cast<size_t>(size);
      // No more memory than a test has: a larger tensor is not run, only checked.
      const bool fits = size >= 0 && size <= 1 << 20;
      memory[i].resize(fits ? tensor.size_bytes : 0);
      memory[i].shrink_to_fit();
      tensor.data = fits ? memory[i].data() : nullptr;
      if (!fits) tensor.size_bytes = 0;
    }
    try {
      session.run(&tensors[0], 1, &tensors[1], 1);
    } catch (const Error&) {
    } catch (const std::bad_alloc&) {
    }
  }
}

struct Sizes {
  int64_t n, c, h, w, j, p, o, g, labels, k;
};

// The right shapes of an operator's inputs; any shapes for one that is not listed.
std::vector<std::vector<int64_t>> shapes_of(const std::string& op, const Sizes& s) {
  const std::vector<int64_t> x{s.n, s.c, s.h, s.w};
  const std::vector<int64_t> h{s.n, s.j, s.h, s.w};
  if (op == "SpatiallyVaryingConv") return {x, {s.n, s.c * s.k * s.k, s.h, s.w}, {s.c}, {s.c}};
  if (op == "LayoutConv") return {{s.n, s.h, s.w}, {s.labels, s.k * s.k, s.c}, {s.c}};
  if (op == "PredictedConv" || op == "QuantizedPredictedConv") {
    return {x, h, {s.c * 9, s.j, s.p, s.p}, {s.c * 9}, {s.c}, {s.c}};
  }
  if (op == "ConvToImage") return {x, {3, s.c + s.j, 3, 3}, {3}, h};
  return {x,
          h,
          {s.c * 9, s.j, 1, 1},
          {s.c * 9},
          {s.c},
          {s.c},
          {s.o, s.c, 1, 1},
          {s.o},
          {s.n, s.g, s.h, s.w},
          {s.o, s.g, 1, 1},
          {s.o},
          {s.n, s.o, s.h, s.w}};
}

// In the order of the corpus: append to it.
constexpr const char* kOperators[] = {
    "GatedPredictedConv",     "LayoutConv",           "PredictedConv", "QuantizedGatedPredictedConv",
    "QuantizedPredictedConv", "SpatiallyVaryingConv", "ConvToImage"};

// Inputs that kernels alone read, so that they can stand for tensors larger than memory.
bool may_lack_memory(const std::string& op, size_t index) {
  if (op == "LayoutConv") return index == 0;
  if (op == "ConvToImage") return index == 0 || index == 3;
  return index < 2 || index == 8 || index == 11;
}

void compute_operator(Bytes bytes) {
  const std::string op = kOperators[bytes.next() % std::size(kOperators)];
  const auto& kinds = test::registered_operators().at(op);
  const auto small = [&](int most) { return static_cast<int64_t>(bytes.next() % most); };
  Sizes s{};
  s.n = small(3);
  s.c = small(20);
  s.h = small(20);
  s.w = small(40);
  s.j = small(20);
  s.p = 2 * small(2) + 1;
  s.o = small(12);
  s.g = small(12);
  s.labels = small(8);
  s.k = 2 * small(4) + 1;
  Node node{op, {}};
  const auto number = [&] {
    constexpr float kOdd[] = {0.0f, -1.0f, 1e-45f, 3e38f, __builtin_inff(), __builtin_nanf("")};
    const uint8_t byte = bytes.next();
    return byte < 250 ? 0.001f * static_cast<float>(byte + 1) : kOdd[byte - 250];
  };
  for (const char* name : {"h_scale", "mix_in_scale", "gate_h_scale", "alpha"}) node.numbers[name] = number();
  for (const char* name : {"h_zero_point", "mix_in_zero_point", "gate_h_zero_point"}) {
    const uint8_t byte = bytes.next();
    node.integers[name] = byte == 255 ? bytes.dim() : byte;
  }
  const int64_t strides = small(2) + 1;
  node.ints["strides"] = {strides, strides};
  const uint8_t changes = bytes.next();
  if (changes & 1) node.ints["strides"].assign(bytes.next() % 12, bytes.dim());
  auto shapes = shapes_of(op, s);
  node.floats = {{"weight_scale", std::vector<float>(static_cast<size_t>(s.c), 0.01f)},
                 {"mix_scale", std::vector<float>(static_cast<size_t>(s.o), 0.01f)},
                 {"gate_weight_scale", std::vector<float>(static_cast<size_t>(s.o), 0.01f)}};
  if (changes & 2) node.floats["weight_scale"].assign(bytes.next(), number());
  shapes.resize(kinds.size());
  // A dimension is the same in every input that has it: change it in all of them, or in one.
  for (int change = 0; change < (changes >> 2 & 7); ++change) {
    const uint8_t what = bytes.next();
    const int64_t to = bytes.dim();
    if (what < 128) {
      auto& shape = shapes[bytes.next() % shapes.size()];
      const size_t place = bytes.next() % 8;
      if (place < shape.size()) {
        shape[place] = to;
      } else {
        shape.resize(bytes.next() % 9, to);
      }
    } else {
      for (auto& shape : shapes) {
        if (shape.size() == 4 && shape[0] == s.n && what % 3 == 0) shape[0] = to;
        if (shape.size() >= 3 && what % 3 == 1) shape[shape.size() - 2] = to;
        if (shape.size() >= 3 && what % 3 == 2) shape[shape.size() - 1] = to;
      }
    }
  }
  if (changes & 32) node.numbers.erase("h_scale");
  Node open{op, {}};
  open.ints = node.ints;
  const uint8_t constants = bytes.next();
  for (size_t i = 0; i < kinds.size(); ++i) {
    Value value;
    value.dims = shapes[i];
    open.inputs.push_back(value);
    const int64_t count = test::count_elements(shapes[i]);
    if (count > 1 << 14 && may_lack_memory(op, i)) {
      value.without_memory = true;
    } else if (count < 0 || count > 1 << 14) {
      node.inputs.clear();  // no tensor that a test can hold; only the inference is left to do
      break;
    } else {
      value = test::make_value(kinds[i].type, shapes[i]);
      value.constant = i > 0 && constants >> (i % 8) & 1;
    }
    if (changes & 64 && kinds[i].optional && bytes.next() % 2 == 0) value = test::absent();
    node.inputs.push_back(value);
  }
  std::string error;
  test::infer(open, &error);
  if (!node.inputs.empty()) test::run(node, 1, 1 << 16);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes bytes(data + 1, size - 1);
  switch (data[0]) {
    case 'M': read_metadata(data + 1, size - 1); break;
    case 'O': compute_operator(bytes); break;
    case 'R': ask_for_a_run(bytes); break;
    case 'P': try { parse_processors(std::string(reinterpret_cast<const char*>(data + 1), size - 1).c_str());
      } catch (const Error&) {
      }
      break;
    default: break;
  }
  return 0;
}
