// ONNX Runtime's side of custom operators, as far as ours use it: what registers them, makes their kernels
// and runs them on shapes and memory of a test's choice.
//
// Every buffer has exactly the size of its tensor, so that a sanitizer sees whatever lies beside it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "onnxruntime/abi.h"

namespace layoutrt::test {

// A tensor, or one that is absent.
struct Value {
  std::vector<int64_t> dims;
  int type = ort::kFloat;
  bool present = true;
  bool constant = false;        // of the model: known when the kernel is made
  bool without_memory = false;  // larger than a test can hold: operators must not touch it on their own
  std::shared_ptr<void> data;

  template <class T>
  T* as() const {
    return static_cast<T*>(data.get());
  }
};

// The number of elements as ONNX Runtime counts them; -1 where it refuses the shape.
int64_t count_elements(const std::vector<int64_t>& dims);
// A tensor of zeros.
Value make_value(int type, std::vector<int64_t> dims);
Value absent();
size_t byte_count(const Value& value);

struct Node {
  std::string op;
  std::vector<Value> inputs;
  std::map<std::string, std::vector<int64_t>> ints = {};
  std::map<std::string, int64_t> integers = {};
  std::map<std::string, std::vector<float>> floats = {};
  std::map<std::string, float> numbers = {};
};

struct InputKind {
  int type;
  bool optional;
};

// The operators that the library registers, and their inputs.
const std::map<std::string, std::vector<InputKind>>& registered_operators();

struct Result {
  std::string error;  // the operator's sentence; empty where it succeeded
  Value y;
};

// Make the kernel and run it on `threads` threads. An output of more than `most` elements has no memory, and
// nothing is then computed: only what an operator does before.
Result run(const Node& node, int threads, int64_t most = int64_t{1} << 24);

// The shape that the operator infers when a model is loaded, of shapes that may have open dimensions (-1).
// Empty where it fails.
std::vector<int64_t> infer(const Node& node, std::string* error);

}  // namespace layoutrt::test
