// Which processors threads run on.
#pragma once

#include <vector>

namespace layoutrt {

// Read a list of processors such as "0-3,8"; null or "" gives none. Throws Error: it is no such list, or
// names a processor that this process may not use.
std::vector<int> parse_processors(const char* list);

// Number of processors this process may use, at least 1: in a container fewer than the machine has.
int usable_processors();

// Keep the calling thread on one processor.
void run_on_processor(int processor) noexcept;

}  // namespace layoutrt
