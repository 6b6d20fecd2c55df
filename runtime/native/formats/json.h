// JSON as the metadata of a model carries it. Read from files that anyone may have made: every text either
// parses or throws, in time and memory proportional to its length.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace layoutrt {

struct Json {
  enum class Kind { kNull, kBoolean, kInteger, kReal, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  int64_t integer = 0;  // the values of other numbers are not kept
  std::string string;   // UTF-8
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  // The last member of this name, as other readers take it; null if there is none.
  const Json* find(std::string_view name) const;
};

// Throws std::invalid_argument that says what is wrong at which byte, also where values are nested more than
// 16 deep or the text is longer than 1 MiB.
Json parse_json(std::string_view text);

}  // namespace layoutrt
