#include "control_groups.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>
#include <vector>

namespace layoutrt {
namespace {

// One hierarchy of control groups: where it is mounted, and the process's group in it.
struct Hierarchy {
  std::string mount_point;
  std::string group;  // below the mount point: "" or "/a/b"
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool has(const std::string& list, const std::string& item) {
  const auto items = split(list, ',');
  return std::find(items.begin(), items.end(), item) != items.end();
}

// The group's path in /proc/self/cgroup, whose lines are "number:controllers:path"; version 2 has none of the
// middle.
std::optional<std::string> own_group(const std::string& root, const std::string& controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool wanted = controller.empty() ? line.compare(0, first, "0") == 0 && controllers.empty()
                                           : has(controllers, controller);
    if (wanted) return line.substr(second + 1);
  }
  return std::nullopt;
}

// The hierarchy of a controller of version 1, or with "" that of version 2. Lines of /proc/self/mountinfo:
// number parent device root mount-point options [tags...] - type source options
std::optional<Hierarchy> find_hierarchy(const std::string& root, const std::string& controller) {
  const auto group = own_group(root, controller);
  if (!group) return std::nullopt;
  std::optional<Hierarchy> of_others;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const auto fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    if (controller.empty() ? dash[1] != "cgroup2" : dash[1] != "cgroup" || !has(dash[3], controller))
      continue;
    // Without a namespace of its own a container sees its path from the machine's root, and its mount starts
    // at that path; a path that is not below the mount is of no use, and the mount itself is the group.
    const std::string top = fields[3] == "/" ? "" : fields[3];
    std::string below;
    if (group->compare(0, top.size(), top) == 0) below = group->substr(top.size());
    if (below == "/" || below.find("/..") != std::string::npos) below.clear();
    const Hierarchy found{root + fields[4], below};
    // A mount from before the process got a namespace starts above what it can see.
    if (top.compare(0, 3, "/..") != 0) return found;
    of_others = found;
  }
  return of_others;
}

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<int64_t> number(const std::string& text) {
  try {
    size_t read = 0;
    const int64_t value = std::stoll(text, &read);
    if (read == text.size()) return value;
  } catch (const std::exception&) {
    // "max", "", or nothing that is known
  }
  return std::nullopt;
}

// The smallest limit of the group and those above it. `read` gives that of one folder.
template <class T>
std::optional<T> smallest(const std::optional<Hierarchy>& hierarchy,
                          const std::function<std::optional<T>(const std::string&)>& read) {
  if (!hierarchy) return std::nullopt;
  std::optional<T> found;
  std::string group = hierarchy->group;
  while (true) {
    const std::optional<T> here = read(hierarchy->mount_point + group);
    if (here && (!found || *here < *found)) found = here;
    if (group.empty()) return found;
    group.resize(group.find_last_of('/') == std::string::npos ? 0 : group.find_last_of('/'));
  }
}

template <class T>
std::optional<T> smaller(const std::optional<T>& a, const std::optional<T>& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

std::optional<double> share(const std::optional<int64_t>& quota, const std::optional<int64_t>& period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

}  // namespace

std::optional<double> processor_quota(const std::string& root) {
  const auto version2 = smallest<double>(find_hierarchy(root, ""), [](const std::string& folder) {
    const auto fields = split(read_line(folder + "/cpu.max"), ' ');
    return fields.size() == 2 ? share(number(fields[0]), number(fields[1])) : std::nullopt;
  });
  const auto version1 = smallest<double>(find_hierarchy(root, "cpu"), [](const std::string& folder) {
    return share(number(read_line(folder + "/cpu.cfs_quota_us")),
                 number(read_line(folder + "/cpu.cfs_period_us")));
  });
  return smaller(version2, version1);
}

std::optional<int64_t> memory_limit(const std::string& root) {
  const auto read = [](const char* name) {
    return [name](const std::string& folder) -> std::optional<int64_t> {
      const auto bytes = number(read_line(folder + name));
      // Version 1 writes "no limit" as the largest number of whole pages.
      if (!bytes || *bytes <= 0 || *bytes >= std::numeric_limits<int64_t>::max() / 2) return std::nullopt;
      return bytes;
    };
  };
  const auto version2 = smallest<int64_t>(find_hierarchy(root, ""), read("/memory.max"));
  const auto version1 = smallest<int64_t>(find_hierarchy(root, "memory"), read("/memory.limit_in_bytes"));
  return smaller(version2, version1);
}

}  // namespace layoutrt
