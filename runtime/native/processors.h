// Processors that this process may use, and the affinity of its threads.
#pragma once

#include <cstdint>
#include <vector>

namespace layoutrt {

// Read a list of processors such as "0-3,8"; null or "" gives none. Throws Error: it is no such list, or
// names a processor that this process may not use.
std::vector<int> parse_processors(const char* list);

// Threads of a run where the caller does not say: one for each processor that this process may use, but no
// more than a quota of its control groups is worth, rounded up. 1 to LRT_MAX_THREADS.
int default_threads();

// In bytes: the machine's memory, or less where a control group has a limit.
int64_t usable_memory();

// Number of threads, at most `wanted`, that the system lets this process start besides its own; a limit on
// tasks makes it fewer. They were started, and have ended when this returns.
int startable_threads(int wanted);

// Keep the calling thread on one processor.
void run_on_processor(int processor) noexcept;

}  // namespace layoutrt
