#include "processors.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "control_groups.h"
#include "error.h"

namespace layoutrt {
namespace {

[[noreturn]] void refuse(std::string_view list, const std::string& what) {
  throw Error(LRT_INVALID_ARGUMENT, "affinity '" + std::string(list) + "' " + what +
                                        "; give processors that this process may use, such as '0-3,8'");
}

// Reads a number from the front of `rest`.
int take_number(std::string_view* rest, std::string_view list) {
  int number = 0;
  const auto read = std::from_chars(rest->data(), rest->data() + rest->size(), number);
  if (read.ec != std::errc() || number < 0 || number >= CPU_SETSIZE)
    refuse(list, "is not a list of processors");
  rest->remove_prefix(static_cast<size_t>(read.ptr - rest->data()));
  return number;
}

}  // namespace

std::vector<int> parse_processors(const char* list) {
  std::vector<int> processors;
  if (list == nullptr || *list == '\0') return processors;
  cpu_set_t allowed;
  const bool known = sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
  const std::string_view whole = list;
  std::string_view rest = whole;
  while (true) {
    const int first = take_number(&rest, whole);
    int last = first;
    if (!rest.empty() && rest[0] == '-') {
      rest.remove_prefix(1);
      last = take_number(&rest, whole);
      if (last < first) refuse(whole, "has a range that ends before it starts");
    }
    for (int processor = first; processor <= last; ++processor) {
      if (known && !CPU_ISSET(processor, &allowed)) {
        refuse(whole, "names processor " + std::to_string(processor) + ", which this process may not use");
      }
      processors.push_back(processor);
    }
    if (rest.empty()) return processors;
    if (rest[0] != ',') refuse(whole, "is not a list of processors");
    rest.remove_prefix(1);
  }
}

int default_threads() {
  cpu_set_t allowed;
  int processors = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) processors = CPU_COUNT(&allowed);
  if (const auto quota = processor_quota()) {
    processors = std::min(processors, static_cast<int>(std::ceil(std::min(*quota, 1e6))));
  }
  return std::clamp(processors, 1, LRT_MAX_THREADS);
}

int64_t usable_memory() {
  const int64_t machine =
      std::max<int64_t>(static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE), 0);
  return std::min(machine, memory_limit().value_or(machine));
}

int startable_threads(int wanted) {
  std::mutex mutex;
  std::condition_variable changed;
  bool counted = false;
  std::vector<pid_t> tasks(static_cast<size_t>(std::max(wanted, 0)));
  std::vector<std::thread> threads;
  threads.reserve(tasks.size());
  try {
    for (pid_t& task : tasks) {
      threads.emplace_back([&] {
        task = static_cast<pid_t>(syscall(SYS_gettid));
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [&] { return counted; });
      });
    }
  } catch (const std::system_error&) {
    // Exactly this many.
  }
  {
    const std::lock_guard<std::mutex> lock(mutex);
    counted = true;
  }
  changed.notify_all();
  for (std::thread& thread : threads) thread.join();
  // A thread counts against the limits until the system has put it away, a moment after it was joined.
  for (size_t i = 0; i < threads.size(); ++i) {
    const std::string entry = "/proc/self/task/" + std::to_string(tasks[i]);
    for (int tries = 0; tries < 100 && access(entry.c_str(), F_OK) == 0; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return static_cast<int>(threads.size());
}

void run_on_processor(int processor) noexcept {
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  CPU_SET(processor, &wanted);
  sched_setaffinity(0, sizeof(wanted), &wanted);  // of the calling thread; on failure it stays where it is
}

}  // namespace layoutrt
