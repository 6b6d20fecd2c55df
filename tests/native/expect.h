// What a test program counts: failures are printed, and its exit status says whether there were any.
#pragma once

#include <atomic>
#include <cstdio>
#include <string>

#include "layoutrt/layoutrt.h"

namespace layoutrt::test {

inline std::atomic<int> failures{0};
inline std::atomic<int> checks{0};

inline void expect(bool met, const char* file, int line, const std::string& about) {
  ++checks;
  if (met) return;
  std::printf("%s:%d: %s; last error '%s'\n", file, line, about.c_str(), lrt_last_error());
  ++failures;
}

inline int summary() {
  std::printf("%d checks, %d failures\n", checks.load(), failures.load());
  return failures != 0;
}

}  // namespace layoutrt::test

#define EXPECT(condition) layoutrt::test::expect(condition, __FILE__, __LINE__, "not met: " #condition)
#define EXPECT_THAT(condition, about) layoutrt::test::expect(condition, __FILE__, __LINE__, about)
