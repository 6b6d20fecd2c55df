// SHA-256 (FIPS 180-4), which the manifest of an engine states.
#pragma once

#include <cstddef>
#include <string>

namespace layoutrt {

// In hexadecimal.
std::string sha256(const void* data, size_t size);

}  // namespace layoutrt
