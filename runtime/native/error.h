// The one exception of the native runtime. It never leaves the library: the C API turns it into a status and
// a sentence, the operators into an OrtStatus.
#pragma once

#include <stdexcept>
#include <string>

#include "layoutrt/layoutrt.h"

namespace layoutrt {

class Error : public std::runtime_error {
 public:
  Error(lrt_status status, const std::string& sentence) : std::runtime_error(sentence), status_(status) {}
  lrt_status status() const { return status_; }

 private:
  lrt_status status_;
};

}  // namespace layoutrt
