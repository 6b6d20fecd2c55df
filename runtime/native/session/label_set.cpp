#include "session/label_set.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "formats/json.h"

namespace layoutrt {
namespace {

constexpr size_t kMaxLabels = 254;
const char* const kExtraName = "don't care";

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

const Json* member(const Json& table, const char* key, Json::Kind kind, const std::string& where) {
  const Json* value = table.find(key);
  if (value != nullptr && value->kind != kind) refuse(where + " has a '" + key + "' of the wrong type");
  return value;
}

const Json& required(const Json& table, const char* key, Json::Kind kind, const std::string& where) {
  const Json* value = member(table, key, kind, where);
  if (value == nullptr) refuse(where + " has no '" + key + "'");
  return *value;
}

int64_t integer(const Json& table, const char* key, int64_t absent, const std::string& where) {
  const Json* value = member(table, key, Json::Kind::kInteger, where);
  return value == nullptr ? absent : value->integer;
}

std::string name_of(const Json& table, const std::string& where) {
  const std::string& name = required(table, "name", Json::Kind::kString, where).string;
  if (name.find('\0') != std::string::npos) refuse(where + " has a name with a null byte");
  return name;
}

std::array<uint8_t, 3> color_of(const Json* value, const std::string& where) {
  std::array<uint8_t, 3> color{};
  if (value == nullptr) return color;
  bool fits = value->items.size() == 3;
  for (size_t i = 0; fits && i < 3; ++i) {
    const Json& channel = value->items[i];
    fits = channel.kind == Json::Kind::kInteger && channel.integer >= 0 && channel.integer <= 255;
    color[i] = static_cast<uint8_t>(channel.integer);
  }
  if (!fits) refuse(where + " has a color that is not three bytes");
  return color;
}

}  // namespace

LabelSet::LabelSet(const std::string& json) {
  const std::string set = "it";
  const Json table = parse_json(json);
  if (table.kind != Json::Kind::kObject) refuse("it is not an object");
  name_ = name_of(table, set);
  const std::vector<Json>& labels = required(table, "labels", Json::Kind::kArray, set).items;
  const auto count = static_cast<int64_t>(labels.size());
  if (labels.empty() || labels.size() > kMaxLabels) {
    refuse("it has " + std::to_string(count) + " labels, not 1 to 254");
  }
  const int64_t offset = integer(table, "file_offset", 0, set);
  if (offset < -255 || offset > 255) refuse("it has a 'file_offset' that is out of range");
  for (int64_t i = 0; i < count; ++i) {
    const Json& label = labels[static_cast<size_t>(i)];
    const std::string where = "label " + std::to_string(i);
    if (label.kind != Json::Kind::kObject) refuse(where + " is not an object");
    const auto color = color_of(&required(label, "color", Json::Kind::kArray, where), where);
    add(name_of(label, where), color.data(), required(label, "thing", Json::Kind::kBoolean, where).boolean,
        integer(label, "file_value", i + offset, where));
  }
  const Json* const dont_care = member(table, "dont_care", Json::Kind::kInteger, set);
  if (dont_care != nullptr) {
    if (dont_care->integer < 0 || dont_care->integer > count)
      refuse("it has a 'dont_care' that is not a class");
    dont_care_ = static_cast<int32_t>(dont_care->integer);
    if (dont_care_ == count) {
      const auto color = color_of(member(table, "dont_care_color", Json::Kind::kArray, set), set);
      add(kExtraName, color.data(), false,
          required(table, "file_dont_care", Json::Kind::kInteger, set).integer);
    }
  }
  for (const std::string& name : names_) pointers_.push_back(name.c_str());
}

void LabelSet::add(std::string name, const uint8_t* color, bool thing, int64_t file_value) {
  if (file_value < 0 || file_value > 255) refuse("the file value of '" + name + "' is not a byte");
  const auto byte = static_cast<uint8_t>(file_value);
  if (std::find(names_.begin(), names_.end(), name) != names_.end()) refuse("two classes are '" + name + "'");
  if (std::find(file_values_.begin(), file_values_.end(), byte) != file_values_.end()) {
    refuse("two classes have the file value " + std::to_string(byte));
  }
  names_.push_back(std::move(name));
  palette_.insert(palette_.end(), color, color + 3);
  file_values_.push_back(byte);
  things_.push_back(thing);
}

lrt_label_set LabelSet::view() const {
  return {sizeof(lrt_label_set), name_.c_str(),   names_.size(),       dont_care_,
          pointers_.data(),      palette_.data(), file_values_.data(), things_.data()};
}

}  // namespace layoutrt
