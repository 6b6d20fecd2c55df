// Memory between pages that nobody may touch; it ends right at the second, but for an alignment to 16 bytes.
// What was not written has bytes of 255: floats and halves that are not numbers.
#pragma once

#include <cstddef>

namespace emulation {

class GuardedMemory {
 public:
  explicit GuardedMemory(size_t bytes);
  ~GuardedMemory();
  GuardedMemory(GuardedMemory&& other) noexcept;
  GuardedMemory& operator=(GuardedMemory&&) = delete;

  unsigned char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  // Makes all of it unwritten again.
  void spoil();
  // Whether the bytes between it and the pages are still unwritten.
  bool intact() const;

 private:
  size_t bytes_, mapped_;
  unsigned char* pages_;
  unsigned char* data_;
};

}  // namespace emulation
