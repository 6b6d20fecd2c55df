// An operator's view of ONNX Runtime: its inputs and output as plain shapes and pointers, and the thread
// pool.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "onnxruntime/abi.h"
#include "operators/shape.h"

namespace layoutrt::operators {

std::string to_string(const int64_t* dims, size_t count);  // "[1, 64, 256, 256]"
inline std::string to_string(const Shape& shape) { return to_string(shape.data(), shape.size()); }
int64_t element_count(const Shape& shape);

// Throws Error: "<op>: <input> must be <form> = <expected>, got <actual>". An expected -1 allows any size.
void require_shape(const char* op, const char* input, const char* form, const Shape& expected,
                   const Shape& actual);

// Throws Error: an [N, C, H, W] input has no channels, where there are results that depend on some.
void require_channels(const char* op, const char* input, const Shape& shape);

struct Tensor {
  const void* data = nullptr;
  Shape shape;
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
};

class KernelContext {
 public:
  KernelContext(const ort::Functions& api, OrtKernelContext* context) : api_(api), context_(context) {}

  bool has_input(size_t index) const;
  Tensor input(size_t index) const;
  // Memory of the output, whose elements are of type T.
  template <class T = float>
  T* output(const Shape& shape) const {
    return static_cast<T*>(output_data(shape));
  }

  // Call body(i) for every i in [0, total) on ONNX Runtime's threads. The parts must not depend on each
  // other; memory is all that a part may run out of.
  template <class Body>
  void parallel_for(int64_t total, const Body& body) const {
    struct Job {
      const Body& body;
      std::atomic<bool> out_of_memory{false};
    } job{body};
    run_parallel(
        total,
        [](void* data, size_t i) {
          auto& job = *static_cast<Job*>(data);
          try {
            job.body(static_cast<int64_t>(i));
          } catch (const std::bad_alloc&) {
            job.out_of_memory = true;
          }
        },
        &job);
    if (job.out_of_memory) throw std::bad_alloc();
  }

 private:
  void* output_data(const Shape& shape) const;
  void run_parallel(int64_t total, void (*body)(void*, size_t), void* data) const;

  const ort::Functions& api_;
  OrtKernelContext* context_;
};

// Facts about a node that are known when its kernel is created.
class KernelInfo {
 public:
  KernelInfo(const ort::Functions& api, const OrtKernelInfo* info) : api_(api), info_(info) {}

  // The input, if it is a constant of the model; it stays where it is as long as the session lives.
  bool constant_input(size_t index, Tensor* tensor) const;
  // The attribute, or an empty vector.
  std::vector<int64_t> ints(const char* name) const;
  std::vector<float> floats(const char* name) const;
  // The attribute, or nothing.
  std::optional<int64_t> integer(const char* name) const;
  std::optional<float> number(const char* name) const;

 private:
  const ort::Functions& api_;
  const OrtKernelInfo* info_;
};

// Memory of the calling thread, aligned to 64 bytes, kept and grown from call to call. Good until the next
// call on the same thread.
float* thread_scratch(size_t bytes);

}  // namespace layoutrt::operators
