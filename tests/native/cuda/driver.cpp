// Runs the launchers on arrays of the host, for ctypes: each structure's pointers are replaced by copies in
// device memory. It serves the emulation and, compiled with CUDA's own headers, a GPU.
#include <cuda_runtime_api.h>

#include <string_view>
#include <utility>
#include <vector>

#include "cuda/operators.h"

using namespace layoutrt::cuda;

namespace {

size_t offset = 0;

size_t size_of(Type type) {
  return type == Type::kHalf ? 2 : type == Type::kInt8 || type == Type::kUint8 ? 1 : 4;
}

// Copies of a launch's arrays, and the first error of all calls.
class DeviceArrays {
 public:
  ~DeviceArrays() { release(); }

  template <class Pointer>
  void upload(Pointer& pointer, size_t bytes) {
    if (pointer == nullptr) return;
    void* copy = allocate(bytes);
    if (error == cudaSuccess) note(cudaMemcpy(copy, pointer, bytes, cudaMemcpyHostToDevice));
    pointer = static_cast<Pointer>(copy);
  }

  void* allocate(size_t bytes) {
    void* memory = nullptr;
    note(cudaMalloc(&memory, bytes + offset));
    arrays_.push_back(memory);
    return static_cast<char*>(memory) + offset;
  }

  void release() {
    for (void* array : std::exchange(arrays_, {})) note(cudaFree(array));
  }

  void note(cudaError_t status) {
    if (error == cudaSuccess) error = status;
  }

  cudaError_t error = cudaSuccess;

 private:
  std::vector<void*> arrays_;
};

template <class Operator>
int run(DeviceArrays& arrays, Operator& op, size_t result_bytes) {
  void* result = op.y;
  op.y = arrays.allocate(result_bytes);
  if (arrays.error == cudaSuccess) arrays.note(launch(op, nullptr));
  if (arrays.error == cudaSuccess) arrays.note(cudaDeviceSynchronize());
  if (arrays.error == cudaSuccess) {
    arrays.note(cudaMemcpy(result, op.y, result_bytes, cudaMemcpyDeviceToHost));
  }
  arrays.release();
  return arrays.error;
}

template <class Operator>
int run_predictor(Operator op, Type h_type, size_t weight_size, size_t weight_scale_bytes) {
  DeviceArrays arrays;
  const size_t size = size_of(op.type), pixels = size_t(op.n) * op.height * op.width;
  const size_t multiple = op.h_layout == Layout::kNhwc8 ? 8 : op.h_layout == Layout::kNchw32 ? 32 : 1;
  const size_t features = (op.features + multiple - 1) / multiple * multiple;
  arrays.upload(op.x, pixels * op.channels * size);
  arrays.upload(op.h, pixels * features * size_of(h_type));
  arrays.upload(op.weight, size_t(op.channels) * 9 * op.p * op.p * op.features * weight_size);
  if constexpr (std::is_same_v<Operator, QuantizedPredictedConv>) {
    arrays.upload(op.weight_scale, weight_scale_bytes);
  }
  arrays.upload(op.bias, size_t(op.channels) * 9 * size);
  arrays.upload(op.scale, op.channels * size);
  arrays.upload(op.shift, op.channels * size);
  size_t result = size;
  if constexpr (std::is_same_v<Operator, QuantizedPredictedConv>) {
    if (op.y_scale != 0.0f) result = 1;
  }
  return run(arrays, op, pixels * op.channels * result);
}

}  // namespace

extern "C" {

// Bytes between where device memory starts and where arrays in it do.
void set_offset(size_t bytes) { offset = bytes; }

int size_of_structure(const char* name) {
  const std::string_view wanted = name;
  if (wanted == "SpatiallyVaryingConv") return sizeof(SpatiallyVaryingConv);
  if (wanted == "LayoutConv") return sizeof(LayoutConv);
  if (wanted == "PredictedConv") return sizeof(PredictedConv);
  return wanted == "QuantizedPredictedConv" ? sizeof(QuantizedPredictedConv) : 0;
}

// Launches a structure that points to no arrays: what is refused, or has nothing to do.
int launch_without_arrays(const char* name, const void* op) {
  const std::string_view wanted = name;
  if (wanted == "SpatiallyVaryingConv") return launch(*static_cast<const SpatiallyVaryingConv*>(op), nullptr);
  if (wanted == "LayoutConv") return launch(*static_cast<const LayoutConv*>(op), nullptr);
  if (wanted == "PredictedConv") return launch(*static_cast<const PredictedConv*>(op), nullptr);
  return launch(*static_cast<const QuantizedPredictedConv*>(op), nullptr);
}

int run_spatially_varying_conv(const SpatiallyVaryingConv* on_host) {
  SpatiallyVaryingConv op = *on_host;
  DeviceArrays arrays;
  const size_t size = size_of(op.type), x = size_t(op.n) * op.channels * op.height * op.width * size;
  arrays.upload(op.x, x);
  arrays.upload(op.w, x * op.k * op.k);
  arrays.upload(op.scale, op.channels * size);
  arrays.upload(op.shift, op.channels * size);
  return run(arrays, op, x);
}

int run_layout_conv(const LayoutConv* on_host) {
  LayoutConv op = *on_host;
  DeviceArrays arrays;
  const size_t size = size_of(op.type), stride = op.stride;
  const size_t height = (op.height + stride - 1) / stride, width = (op.width + stride - 1) / stride;
  arrays.upload(op.labels, size_t(op.n) * op.height * op.width * size_of(op.label_type));
  arrays.upload(op.table, size_t(op.count) * op.k * op.k * op.channels * size);
  arrays.upload(op.bias, op.channels * size);
  return run(arrays, op, op.n * op.channels * height * width * size);
}

int run_predicted_conv(const PredictedConv* op) { return run_predictor(*op, op->type, size_of(op->type), 0); }

int run_quantized_predicted_conv(const QuantizedPredictedConv* op) {
  return run_predictor(*op, op->h_type, 1, op->channels * sizeof(float));
}
}
