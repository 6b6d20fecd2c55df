// layoutrt for C++17: the C API of layoutrt.h with owners and exceptions. Header only.
//
//   layoutrt::Session session("model.onnx");
//   session.run({layoutrt::tensor("labels", {1, 192, 256}, labels)},
//               {layoutrt::tensor("image", {1, 192, 256, 3}, image)});
#pragma once

#if __cplusplus < 201703L
#error "layoutrt.hpp needs C++17 (-std=c++17, CMAKE_CXX_STANDARD 17); layoutrt.h takes any version"
#endif

#include <algorithm>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "layoutrt/layoutrt.h"

namespace layoutrt {

class Exception : public std::runtime_error {
 public:
  Exception(lrt_status status, const char* sentence) : std::runtime_error(sentence), status_(status) {}
  lrt_status status() const noexcept { return status_; }

 private:
  lrt_status status_;
};

// Throw what the last call of this thread failed with.
inline void check(lrt_status status) {
  if (status != LRT_OK) throw Exception(status, lrt_last_error());
}

inline lrt_session_options default_options() noexcept {
  lrt_session_options options{};
  options.struct_size = sizeof(options);
  return options;
}

// A contiguous tensor of bytes, or with `dtype` of other elements, `bytes` each. The memory stays the
// caller's.
inline lrt_tensor tensor(const char* name, std::initializer_list<int64_t> dims, void* data,
                         lrt_dtype dtype = LRT_UINT8, size_t bytes = 1) {
  if (dims.size() > LRT_MAX_RANK)
    throw Exception(LRT_INVALID_ARGUMENT, "a tensor has more than 8 dimensions");
  lrt_tensor made{};
  made.name = name;
  made.dtype = dtype;
  made.rank = static_cast<int32_t>(dims.size());
  std::copy(dims.begin(), dims.end(), made.dims);
  made.data = data;
  made.size_bytes = bytes;
  for (const int64_t dim : dims) made.size_bytes *= static_cast<size_t>(dim);
  return made;
}

// An output of which the session decides shape and memory.
inline lrt_tensor output(const char* name) {
  lrt_tensor made{};
  made.name = name;
  return made;
}

// See layoutrt.h for what each function does. All of them throw Exception.
class Session {
 public:
  explicit Session(const std::string& model_path, const lrt_session_options& options = default_options()) {
    check_abi();
    check(lrt_session_create(model_path.c_str(), &options, &handle_));
  }
  Session(const void* data, size_t size, const lrt_session_options& options = default_options()) {
    check_abi();
    check(lrt_session_create_from_memory(data, size, &options, &handle_));
  }
  Session(Session&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Session& operator=(Session&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Session() { lrt_session_destroy(handle_); }

  lrt_session* handle() const noexcept { return handle_; }

  lrt_session_info info() const { return read<lrt_session_info>(lrt_session_get_info); }
  lrt_label_set label_set() const { return read<lrt_label_set>(lrt_session_label_set); }
  lrt_timings timings() const { return read<lrt_timings>(lrt_session_timings); }
  void reset_timings() { check(lrt_session_reset_timings(handle_)); }

  std::string metadata(const char* key) const {
    const char* value = nullptr;
    check(lrt_session_metadata(handle_, key, &value));
    return value;
  }

  // Describes the outputs that have no data. The second form returns them.
  void run(const std::vector<lrt_tensor>& inputs, std::vector<lrt_tensor>& outputs) {
    check(lrt_session_run(handle_, inputs.data(), inputs.size(), outputs.data(), outputs.size()));
  }
  std::vector<lrt_tensor> run(const std::vector<lrt_tensor>& inputs, std::vector<lrt_tensor>&& outputs) {
    run(inputs, outputs);
    return std::move(outputs);
  }

  // On device memory, enqueued on `cuda_stream` and not waited for.
  void run_device(const std::vector<lrt_tensor>& inputs, const std::vector<lrt_tensor>& outputs,
                  void* cuda_stream) {
    check(lrt_session_run_device(handle_, inputs.data(), inputs.size(), outputs.data(), outputs.size(),
                                 cuda_stream));
  }

  // Returns the ticket.
  uint64_t run_async(const std::vector<lrt_tensor>& inputs, const std::vector<lrt_tensor>& outputs,
                     lrt_run_callback callback = nullptr, void* user_data = nullptr) {
    uint64_t ticket = 0;
    check(lrt_session_run_async(handle_, inputs.data(), inputs.size(), outputs.data(), outputs.size(),
                                callback, user_data, &ticket));
    return ticket;
  }

  // False: the time is over.
  bool wait(uint64_t ticket, int32_t timeout_ms = -1) {
    const lrt_status status = lrt_session_wait(handle_, ticket, timeout_ms);
    if (status == LRT_TIMEOUT) return false;
    check(status);
    return true;
  }

 private:
  static void check_abi() {
    if (lrt_abi_version() == LRT_ABI_VERSION) return;
    throw Exception(LRT_INVALID_ARGUMENT, ("the program was compiled for another version of layoutrt than " +
                                           std::string(lrt_version()) + "; compile it again")
                                              .c_str());
  }

  template <class Struct>
  Struct read(lrt_status (*function)(const lrt_session*, Struct*)) const {
    Struct value{};
    value.struct_size = sizeof(value);
    check(function(handle_, &value));
    return value;
  }

  lrt_session* handle_ = nullptr;
};

}  // namespace layoutrt
