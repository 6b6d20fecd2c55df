#include "formats/json.h"

#include <charconv>
#include <stdexcept>

namespace layoutrt {
namespace {

constexpr int kMaxDepth = 16;
constexpr size_t kMaxBytes = size_t{1} << 20;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json document() {
    Json value = read_value(0);
    skip_space();
    if (at_ != text_.size()) fail("something follows the value");
    return value;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw std::invalid_argument(std::string(what) + " at byte " + std::to_string(at_));
  }

  bool done() const { return at_ == text_.size(); }

  void skip_space() {
    while (!done() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  bool take(char wanted) {
    skip_space();
    if (done() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json read_value(int depth) {
    if (depth > kMaxDepth) fail("values are nested too deeply");
    skip_space();
    if (done()) fail("the text ends early");
    Json value;
    if (text_[at_] == '{') {
      read_object(depth, &value);
    } else if (text_[at_] == '[') {
      read_array(depth, &value);
    } else if (text_[at_] == '"') {
      value.kind = Json::Kind::kString;
      value.string = read_string();
    } else if (take_word("true")) {
      value.kind = Json::Kind::kBoolean;
      value.boolean = true;
    } else if (take_word("false")) {
      value.kind = Json::Kind::kBoolean;
    } else if (!take_word("null")) {
      read_number(&value);
    }
    return value;
  }

  void read_object(int depth, Json* value) {
    value->kind = Json::Kind::kObject;
    ++at_;
    if (take('}')) return;
    do {
      skip_space();
      if (done() || text_[at_] != '"') fail("a name is missing");
      std::string name = read_string();
      if (!take(':')) fail("':' is missing");
      value->members.emplace_back(std::move(name), read_value(depth + 1));
    } while (take(','));
    if (!take('}')) fail("',' or '}' is missing");
  }

  void read_array(int depth, Json* value) {
    value->kind = Json::Kind::kArray;
    ++at_;
    if (take(']')) return;
    do {
      value->items.push_back(read_value(depth + 1));
    } while (take(','));
    if (!take(']')) fail("',' or ']' is missing");
  }

  bool digit() const { return !done() && text_[at_] >= '0' && text_[at_] <= '9'; }

  void read_digits() {
    if (!digit()) fail("a value is missing");
    while (digit()) ++at_;
  }

  void read_number(Json* value) {
    const size_t start = at_;
    if (text_[at_] == '-') ++at_;
    const bool leading_zero = digit() && text_[at_] == '0';
    const size_t digits = at_;
    read_digits();
    if (leading_zero && at_ - digits > 1) fail("a number starts with 0");
    value->kind = Json::Kind::kInteger;
    if (!done() && text_[at_] == '.') {
      ++at_;
      read_digits();
      value->kind = Json::Kind::kReal;
    }
    if (!done() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (!done() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      read_digits();
      value->kind = Json::Kind::kReal;
    }
    if (value->kind == Json::Kind::kInteger &&
        std::from_chars(text_.data() + start, text_.data() + at_, value->integer).ec != std::errc()) {
      value->kind = Json::Kind::kReal;  // too large for an integer
    }
  }

  std::string read_string() {
    ++at_;
    std::string result;
    while (true) {
      if (done()) fail("a string does not end");
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return result;
      }
      if (static_cast<unsigned char>(c) < 0x20) fail("a string has a control character");
      ++at_;
      if (c == '\\') {
        read_escape(&result);
      } else {
        result += c;
      }
    }
  }

  void read_escape(std::string* result) {
    if (done()) fail("a string does not end");
    const char c = text_[at_++];
    switch (c) {
      case '"':
      case '\\':
      case '/': *result += c; return;
      case 'b': *result += '\b'; return;
      case 'f': *result += '\f'; return;
      case 'n': *result += '\n'; return;
      case 'r': *result += '\r'; return;
      case 't': *result += '\t'; return;
      case 'u': break;
      default: fail("a string has an unknown escape");
    }
    uint32_t code = read_hex();
    if (code >= 0xD800 && code < 0xDC00) {
      if (!take_word("\\u")) fail("half of a surrogate pair is missing");
      const uint32_t low = read_hex();
      if (low < 0xDC00 || low >= 0xE000) fail("half of a surrogate pair is missing");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      fail("half of a surrogate pair is missing");
    }
    append_utf8(code, result);
  }

  uint32_t read_hex() {
    uint32_t code = 0;
    const std::string_view digits = text_.substr(at_, 4);
    const auto end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, code, 16);
    if (digits.size() != 4 || read.ec != std::errc() || read.ptr != end) fail("\\u needs four digits");
    at_ += 4;
    return code;
  }

  static void append_utf8(uint32_t code, std::string* result) {
    const auto add = [&](uint32_t byte) { *result += static_cast<char>(byte); };
    if (code < 0x80) return add(code);
    if (code < 0x800) {
      add(0xC0 | code >> 6);
    } else {
      if (code < 0x10000) {
        add(0xE0 | code >> 12);
      } else {
        add(0xF0 | code >> 18);
        add(0x80 | (code >> 12 & 0x3F));
      }
      add(0x80 | (code >> 6 & 0x3F));
    }
    add(0x80 | (code & 0x3F));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const Json* Json::find(std::string_view name) const {
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (member->first == name) return &member->second;
  }
  return nullptr;
}

Json parse_json(std::string_view text) {
  if (text.size() > kMaxBytes) throw std::invalid_argument("it is longer than 1 MiB");
  return Parser(text).document();
}

}  // namespace layoutrt
