// What all functions of the C API share: exceptions become a status and a sentence for lrt_last_error().
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "error.h"
#include "layoutrt/layoutrt.h"

namespace layoutrt {

// Keeps the sentence for lrt_last_error() of this thread; returns status.
lrt_status fail(lrt_status status, const char* sentence) noexcept;

template <class Body>
lrt_status guarded(const Body& body) noexcept {
  try {
    body();
    return LRT_OK;
  } catch (const Error& error) {
    return fail(error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(LRT_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return fail(LRT_RUNTIME_ERROR, error.what());
  } catch (...) {
    return fail(LRT_RUNTIME_ERROR, "unknown error");
  }
}

inline void require(const void* pointer, const char* name) {
  if (pointer == nullptr) throw Error(LRT_INVALID_ARGUMENT, std::string(name) + " is NULL");
}

// The caller's options, where NULL stands for zeros. A caller built against another version may know fewer
// options, or more. `type` is the struct's name. Throws Error.
template <class Options>
Options read_options(const Options* options, const char* type) {
  Options known{};
  if (options != nullptr) {
    if (options->struct_size < sizeof(size_t) || options->struct_size > 4096) {
      throw Error(LRT_INVALID_ARGUMENT, std::string("options->struct_size must be sizeof(") + type +
                                            "), got " + std::to_string(options->struct_size));
    }
    std::memcpy(&known, options, std::min(options->struct_size, sizeof(known)));
  }
  return known;
}

}  // namespace layoutrt
