// Threads of a block as fibers of one thread of the CPU. A fiber runs until it has to wait: at a barrier for
// the block, in an instruction of a warp for its lanes. What cannot go on, or touches memory that is not its
// own, ends the launch with an error.
#pragma once

#include <cuda_runtime_api.h>

namespace emulation {

struct Schedule {
  // Results must not depend on either.
  bool backwards = false;  // the last thread runs first
  bool eager_copies =
      false;  // asynchronous copies happen when they are asked for, not when they are waited for
  int multiprocessors = 4;
};
void set_schedule(const Schedule& schedule);

// Why the latest launch failed.
const char* failure();

// Of the latest launch.
long bank_conflicts();  // which instructions count
int block_threads();

cudaError_t run(void (*body)(void* parameters), void* parameters, dim3 grid, dim3 block, size_t shared_bytes);

// The rest is for the code of kernels.
const dim3& thread_index();
const dim3& block_index();
unsigned char* shared_memory();
void synchronize();

// An instruction of the whole warp: `execute` gets what each lane passed. Lanes must meet in the same one.
void execute_together(void* argument, void (*execute)(void* const* of_lanes));

void count_bank_conflict();

void copy_later(void* to, const void* from, bool valid);
void commit_copies();
void wait_copies(int pending);

// Ends the launch.
[[noreturn]] void fail(cudaError_t error, const char* reason);

}  // namespace emulation
