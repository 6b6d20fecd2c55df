// A CUDA runtime for tests, on host memory, with the real header's signatures. A stream is a list of work
// that runs only when somebody waits for it, so that a missing wait is seen; it can be captured into a graph.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>

namespace fake_cuda {

struct Machine {
  int devices = 1;
  int driver = CUDART_VERSION;  // 0: there is none
  const char* name = "Test GPU";
  int major = 8;
  int minor = 7;
};

// Sets all counts to 0 and takes back what was to fail. Memory and streams stay.
void reset(const Machine& machine = {});

// Let a call of `function` fail: the next one, or one after `skipped` others.
void fail(const char* function, cudaError_t error, int skipped = 0);

long count(const char* function);  // calls since reset
long live();                       // allocations, streams, events and graphs that were not given back
long pageable_copies();            // asynchronous copies of host memory that is not page-locked, since reset
bool idle(cudaStream_t stream);    // nothing is left to do on it

// Page-locked memory that the GPU finds at another address, or with nullptr not at all; until reset.
void map_host(const void* host, void* device);

// What a kernel launch is: work on a stream that takes `ms` of the fake clock.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work, double ms);

}  // namespace fake_cuda
