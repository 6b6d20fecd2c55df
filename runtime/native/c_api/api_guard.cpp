#include "c_api/api_guard.h"

namespace layoutrt {
namespace {

std::string& last_error() {
  thread_local std::string sentence;
  return sentence;
}

}  // namespace

lrt_status fail(lrt_status status, const char* sentence) noexcept {
  try {
    last_error() = sentence;
  } catch (...) {
    last_error().clear();
  }
  return status;
}

}  // namespace layoutrt

const char* lrt_last_error(void) { return layoutrt::last_error().c_str(); }
