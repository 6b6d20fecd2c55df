// The classes of a model: the counterpart of layoutrt.layouts.LabelSet, read from the model's metadata.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layoutrt/layoutrt.h"

namespace layoutrt {

class LabelSet {
 public:
  // Read the JSON that LabelSet.to_json writes in Python. Throws std::invalid_argument that says what is
  // wrong.
  explicit LabelSet(const std::string& json);
  LabelSet(const LabelSet&) = delete;
  LabelSet& operator=(const LabelSet&) = delete;

  // Points into this object.
  lrt_label_set view() const;

 private:
  void add(std::string name, const uint8_t* color, bool thing, int64_t file_value);

  std::string name_;
  int32_t dont_care_ = -1;
  std::vector<std::string> names_;
  std::vector<const char*> pointers_;  // to names_
  std::vector<uint8_t> palette_;
  std::vector<uint8_t> file_values_;
  std::vector<uint8_t> things_;
};

}  // namespace layoutrt
