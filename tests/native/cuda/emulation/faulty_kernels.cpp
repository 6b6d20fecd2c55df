// Kernels with one mistake each, which the emulation must report.
#include <cuda_runtime.h>

#include <device/launch.cuh>
#include <device/ptx.cuh>
#include <initializer_list>

namespace {

using layoutrt::cuda::commit_copies;
using layoutrt::cuda::copy_async;
using layoutrt::cuda::launch_kernel;
using layoutrt::cuda::load_matrices;
using layoutrt::cuda::shared_memory;
using layoutrt::cuda::wait_copies;

constexpr int kThreads = 64;

struct Parameters {
  const float* from;  // kThreads + 1 numbers
  float* to;          // kThreads numbers
};

int thread() { return static_cast<int>(threadIdx.x); }
float* shared() { return reinterpret_cast<float*>(shared_memory()); }

// Each number of `to` is its neighbor's in `from`. The one that has no mistake.
void shift_correctly(Parameters p) {
  shared()[thread()] = p.from[thread() + 1];
  __syncthreads();
  p.to[thread()] = shared()[thread()];
}

void read_behind_array(Parameters p) { p.to[thread()] = p.from[thread() + 8]; }

void write_behind_array(Parameters p) { p.to[thread() + 1] = p.from[thread()]; }

void write_before_array(Parameters p) { p.to[thread() - 1] = p.from[thread()]; }

void write_behind_shared_memory(Parameters p) { shared()[thread() + 1] = p.from[thread()]; }

void forget_barrier(Parameters p) {
  shared()[thread()] = p.from[thread()];
  p.to[thread()] = shared()[thread() ^ 1];
}

void leave_before_barrier(Parameters p) {
  if (thread() == 3) return;
  __syncthreads();
  p.to[thread()] = 0.0f;
}

void leave_before_warp_instruction(Parameters) {
  uint32_t matrices[4];
  if (thread() != 3) load_matrices(matrices, shared());
}

void forget_to_wait(Parameters p) {
  copy_async(shared() + 4 * (thread() % 16), p.from, true);
  commit_copies();
  p.to[thread()] = shared()[thread()];
}

void wait_for_older_copies(Parameters p) {
  copy_async(shared() + 4 * (thread() % 16), p.from, true);
  commit_copies();
  wait_copies<1>();
  __syncthreads();
  p.to[thread()] = shared()[thread()];
  wait_copies<0>();
}

void read_off_alignment(Parameters p) {
  const float4 four = *reinterpret_cast<const float4*>(p.from + 1);
  p.to[thread()] = four.x;
}

constexpr void (*kKernels[])(Parameters) = {
    shift_correctly,
    read_behind_array,
    write_behind_array,
    write_before_array,
    write_behind_shared_memory,
    forget_barrier,
    leave_before_barrier,
    leave_before_warp_instruction,
    forget_to_wait,
    wait_for_older_copies,
    read_off_alignment,
};

}  // namespace

// Runs a kernel on 0, 1, 2, …; gives its error, or that of freeing the arrays.
extern "C" int run_faulty_kernel(int which, float* result) {
  Parameters p{};
  float* from = nullptr;
  cudaMalloc(&from, (kThreads + 1) * sizeof(float));
  cudaMalloc(&p.to, kThreads * sizeof(float));
  for (int i = 0; i <= kThreads; ++i) from[i] = static_cast<float>(i);
  p.from = from;
  cudaError_t error =
      launch_kernel(kKernels[which], dim3(1), dim3(kThreads), kThreads * sizeof(float), nullptr, p);
  cudaMemcpy(result, p.to, kThreads * sizeof(float), cudaMemcpyDeviceToHost);
  for (float* memory : {from, p.to}) {
    const cudaError_t freed = cudaFree(memory);
    if (error == cudaSuccess) error = freed;
  }
  return error;
}
