// Limits that the control groups of this process (a container, a service) put on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace layoutrt {

// Both look at the process's own group and at those above it, of version 2 (cpu.max, memory.max) and of
// version 1 (cpu.cfs_quota_us, cpu.cfs_period_us, memory.limit_in_bytes), and take the smallest limit. `root`
// stands before /proc and every mount point: "" but in tests.

// Quota of processor time in processors, such as 1.5; none without a quota.
std::optional<double> processor_quota(const std::string& root = "");

// Memory limit in bytes; none without a limit.
std::optional<int64_t> memory_limit(const std::string& root = "");

}  // namespace layoutrt
