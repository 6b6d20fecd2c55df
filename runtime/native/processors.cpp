#include "processors.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <thread>

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
  if (read.ec != std::errc() || number < 0 || number >= CPU_SETSIZE) refuse(list, "is no list of processors");
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
    if (rest[0] != ',') refuse(whole, "is no list of processors");
    rest.remove_prefix(1);
  }
}

int usable_processors() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return std::max(CPU_COUNT(&allowed), 1);
  return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
}

void run_on_processor(int processor) noexcept {
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  CPU_SET(processor, &wanted);
  sched_setaffinity(0, sizeof(wanted), &wanted);  // of the calling thread; on failure it stays where it is
}

}  // namespace layoutrt
