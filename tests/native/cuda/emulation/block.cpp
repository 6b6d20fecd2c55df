#include "block.h"

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "fiber.h"
#include "guarded_memory.h"

#if defined(__x86_64__)
asm(R"(
.text
.globl emulation_switch
.hidden emulation_switch
.type emulation_switch, @function
emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulation_switch, .-emulation_switch
)");
#endif

namespace emulation {
namespace {

constexpr unsigned kWarpSize = 32, kMostThreads = 1024;
constexpr size_t kStackBytes = 128 * 1024;
constexpr size_t kMostSharedBytes = 99 * 1024;  // of a block on 8.6, 8.9 and 12.0

enum class State { kReady, kAtBarrier, kInWarp, kDone };

struct Copy {
  void* to;
  const void* from;
  bool valid;
};

struct Thread {
  Context context;
  dim3 index;
  State state = State::kReady;
  std::vector<Copy> copies;  // that are still to be made, in order
  std::vector<size_t> ends;  // of their groups
};

struct Warp {
  void* arguments[kWarpSize];
  void (*execute)(void* const*) = nullptr;
  unsigned waiting = 0;
};

struct Launch {
  Schedule schedule;
  std::string failure;
  long bank_conflicts = 0;
  void (*body)(void*) = nullptr;
  void* parameters = nullptr;
  dim3 block_index;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<GuardedMemory> stacks;
  unsigned char* shared = nullptr;
  Context scheduler;
  size_t current = 0;
  sigjmp_buf abandoned;
};

Launch launch_state;
std::mutex one_at_a_time;

Thread& current() { return launch_state.threads[launch_state.current]; }

void wait_as(State state) {
  current().state = state;
  current().context.switch_to(launch_state.scheduler);
}

void start_thread() {
  launch_state.body(launch_state.parameters);
  if (!current().copies.empty()) fail(cudaErrorLaunchFailure, "a thread ended before its copies were made");
  wait_as(State::kDone);
}

void make(const Copy& copy) {
  if (copy.valid) {
    std::memcpy(copy.to, copy.from, 16);
  } else {
    std::memset(copy.to, 0, 16);
  }
}

// Runs the lanes of a warp until each has to wait; false where none could run.
bool run_lanes(size_t warp) {
  bool progress = false;
  for (size_t i = 0; i < kWarpSize; ++i) {
    launch_state.current = warp * kWarpSize + (launch_state.schedule.backwards ? kWarpSize - 1 - i : i);
    if (current().state != State::kReady) continue;
    launch_state.scheduler.switch_to(current().context);
    progress = true;
  }
  return progress;
}

// Runs the threads of a block to their ends.
void run_block() {
  std::vector<Thread>& threads = launch_state.threads;
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i].state = State::kReady;
    threads[i].copies.clear();
    threads[i].ends.clear();
    threads[i].context.prepare(launch_state.stacks[i].data(), kStackBytes, start_thread);
  }
  for (Warp& warp : launch_state.warps) warp.waiting = 0;
  while (true) {
    // Each warp gets as far as it can before the next one starts: the furthest apart that they can be.
    for (size_t i = 0; i < launch_state.warps.size(); ++i) {
      const size_t warp = launch_state.schedule.backwards ? launch_state.warps.size() - 1 - i : i;
      while (run_lanes(warp)) continue;
    }
    size_t at_barrier = 0, done = 0;
    for (const Thread& thread : threads) {
      at_barrier += thread.state == State::kAtBarrier;
      done += thread.state == State::kDone;
    }
    if (done == threads.size()) return;
    if (at_barrier != threads.size()) {
      fail(cudaErrorLaunchFailure, at_barrier ? "not all threads of a block come to the barrier"
                                              : "not all lanes of a warp come to its instruction");
    }
    for (Thread& thread : threads) thread.state = State::kReady;
  }
}

void on_signal(int signal) {
  // What the compiler's check of alignment ends with on x86 and on Arm.
  const bool misaligned = signal == SIGILL || signal == SIGTRAP;
  launch_state.failure = misaligned ? "an address is not aligned" : "an address is not the kernel's";
  siglongjmp(launch_state.abandoned, misaligned ? cudaErrorMisalignedAddress : cudaErrorIllegalAddress);
}

// Turns faults of kernels into errors, as long as it exists.
class FaultHandlers {
 public:
  FaultHandlers() : stack_(64 * 1024) {
    stack_t alternate{};
    alternate.ss_sp = stack_.data();
    alternate.ss_size = stack_.bytes();
    sigaltstack(&alternate, &old_stack_);
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK;
    for (int i = 0; i < 4; ++i) sigaction(kSignals[i], &action, &old_[i]);
  }
  ~FaultHandlers() {
    for (int i = 0; i < 4; ++i) sigaction(kSignals[i], &old_[i], nullptr);
    sigaltstack(&old_stack_, nullptr);
  }

 private:
  static constexpr int kSignals[4] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
  GuardedMemory stack_;
  stack_t old_stack_{};
  struct sigaction old_[4];
};

}  // namespace

void set_schedule(const Schedule& schedule) { launch_state.schedule = schedule; }
const char* failure() { return launch_state.failure.c_str(); }
long bank_conflicts() { return launch_state.bank_conflicts; }
int block_threads() { return static_cast<int>(launch_state.threads.size()); }
void count_bank_conflict() { ++launch_state.bank_conflicts; }
int multiprocessors() { return launch_state.schedule.multiprocessors; }

const dim3& thread_index() { return current().index; }
const dim3& block_index() { return launch_state.block_index; }
unsigned char* shared_memory() { return launch_state.shared; }

void synchronize() { wait_as(State::kAtBarrier); }

void execute_together(void* argument, void (*execute)(void* const*)) {
  Warp& warp = launch_state.warps[launch_state.current / kWarpSize];
  if (warp.waiting == 0) warp.execute = execute;
  if (warp.execute != execute) {
    fail(cudaErrorLaunchFailure, "lanes of a warp meet in different instructions");
  }
  warp.arguments[launch_state.current % kWarpSize] = argument;
  if (++warp.waiting < kWarpSize) return wait_as(State::kInWarp);
  execute(warp.arguments);
  warp.waiting = 0;
  const size_t first = launch_state.current / kWarpSize * kWarpSize;
  for (size_t lane = 0; lane < kWarpSize; ++lane) launch_state.threads[first + lane].state = State::kReady;
}

void copy_later(void* to, const void* from, bool valid) {
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0 || (valid && reinterpret_cast<uintptr_t>(from) % 16 != 0)) {
    fail(cudaErrorMisalignedAddress, "a copy of 16 bytes is not aligned to them");
  }
  if (launch_state.schedule.eager_copies) return make({to, from, valid});
  current().copies.push_back({to, from, valid});
}

void commit_copies() { current().ends.push_back(current().copies.size()); }

void wait_copies(int pending) {
  Thread& thread = current();
  if (thread.ends.size() <= static_cast<size_t>(pending)) return;
  const size_t groups = thread.ends.size() - pending, copies = thread.ends[groups - 1];
  for (size_t i = 0; i < copies; ++i) make(thread.copies[i]);
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + copies);
  thread.ends.erase(thread.ends.begin(), thread.ends.begin() + groups);
  for (size_t& end : thread.ends) end -= copies;
}

void fail(cudaError_t error, const char* reason) {
  launch_state.failure = reason;
  siglongjmp(launch_state.abandoned, error);
}

cudaError_t run(void (*body)(void*), void* parameters, dim3 grid, dim3 block, size_t shared_bytes) {
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  // What a test wants a launch to answer, where only the environment reaches this library.
  if (const char* told = std::getenv("EMULATION_LAUNCH_ERROR")) {
    return static_cast<cudaError_t>(std::atoi(told));
  }
  launch_state.failure.clear();
  launch_state.bank_conflicts = 0;
  const size_t count = size_t{block.x} * block.y * block.z;
  if (count == 0 || count > kMostThreads || count % kWarpSize != 0 || shared_bytes > kMostSharedBytes) {
    launch_state.failure = "no such launch: " + std::to_string(count) + " threads, " +
                           std::to_string(shared_bytes) + " bytes of shared memory";
    return cudaErrorInvalidValue;
  }
  launch_state.body = body;
  launch_state.parameters = parameters;
  launch_state.threads.resize(count);
  launch_state.warps.resize(count / kWarpSize);
  while (launch_state.stacks.size() < count) launch_state.stacks.emplace_back(kStackBytes);
  for (size_t i = 0; i < count; ++i) {
    launch_state.threads[i].index =
        dim3(i % block.x, i / block.x % block.y, static_cast<unsigned>(i / block.x / block.y));
  }
  GuardedMemory shared(shared_bytes);
  launch_state.shared = shared.data();
  const FaultHandlers handlers;
  const int error = sigsetjmp(launch_state.abandoned, 1);
  if (error != 0) return static_cast<cudaError_t>(error);
  dim3& index = launch_state.block_index;
  for (index.z = 0; index.z < grid.z; ++index.z) {
    for (index.y = 0; index.y < grid.y; ++index.y) {
      for (index.x = 0; index.x < grid.x; ++index.x) {
        shared.spoil();
        run_block();
      }
    }
  }
  return cudaSuccess;
}

}  // namespace emulation
