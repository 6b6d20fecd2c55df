#include "per_process.h"

#include <pthread.h>

namespace layoutrt {
namespace {

std::atomic<unsigned> depth{0};

// A count, not the process's number: in containers parent and child can both be number 1.
[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { depth.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

unsigned fork_depth() noexcept { return depth.load(std::memory_order_relaxed); }

}  // namespace layoutrt
