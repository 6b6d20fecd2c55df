// Guard of all functions of the C API: exceptions become a status and a sentence for lrt_last_error().
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "error.h"
#include "layoutrt/layoutrt.h"

namespace layoutrt {

// Keeps the sentence for lrt_last_error() of this thread; returns status.
lrt_status fail(lrt_status status, const char* sentence) noexcept;

// The only system errors of this library are those of threads that cannot be started.
inline std::string no_thread(const std::system_error& error) {
  return std::string("a thread could not be started (") + error.what() +
         "); allow the process more tasks (pids.max, ulimit -u)";
}

template <class Body>
lrt_status guarded(const Body& body) noexcept {
  try {
    body();
    return LRT_OK;
  } catch (const Error& error) {
    return fail(error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(LRT_OUT_OF_MEMORY, "out of memory");
  } catch (const std::system_error& error) {
    return fail(LRT_RUNTIME_ERROR, no_thread(error).c_str());
  } catch (const std::exception& error) {
    return fail(LRT_RUNTIME_ERROR, error.what());
  } catch (...) {
    return fail(LRT_RUNTIME_ERROR, "unknown error");
  }
}

inline void require(const void* pointer, const char* name) {
  if (pointer == nullptr) throw Error(LRT_INVALID_ARGUMENT, std::string(name) + " is NULL");
}

// Structs of the API start with struct_size. A caller built against another version has one that is shorter
// than ours, or longer.
inline void check_struct_size(size_t size, const char* argument, const char* type) {
  if (size >= sizeof(size_t) && size <= 4096) return;
  throw Error(LRT_INVALID_ARGUMENT, std::string(argument) + "->struct_size must be sizeof(" + type +
                                        "), got " + std::to_string(size));
}

// The caller's options, where NULL stands for zeros; those beyond what we know must be 0. `type` is the
// struct's name. Throws Error.
template <class Options>
Options read_options(const Options* options, const char* type) {
  Options known{};
  if (options == nullptr) return known;
  const size_t size = options->struct_size;
  check_struct_size(size, "options", type);
  const auto* bytes = reinterpret_cast<const unsigned char*>(options);
  if (size > sizeof(known) &&
      std::any_of(bytes + sizeof(known), bytes + size, [](unsigned char byte) { return byte != 0; })) {
    throw Error(LRT_INVALID_ARGUMENT, std::string("options has one that layoutrt ") + lrt_version() +
                                          " does not know; leave it 0, or use a newer library");
  }
  std::memcpy(&known, options, std::min(size, sizeof(known)));
  return known;
}

// Give the caller a struct: as much as theirs holds, and zeros in what it holds beyond. Throws Error.
template <class Struct>
void write_struct(const Struct& value, const char* argument, const char* type, Struct* target) {
  require(target, argument);
  const size_t size = target->struct_size;
  check_struct_size(size, argument, type);
  auto* bytes = reinterpret_cast<unsigned char*>(target);
  std::memcpy(bytes, &value, std::min(size, sizeof(Struct)));
  if (size > sizeof(Struct)) std::memset(bytes + sizeof(Struct), 0, size - sizeof(Struct));
  target->struct_size = size;
}

}  // namespace layoutrt
