#include "guarded_memory.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <utility>

namespace emulation {

GuardedMemory::GuardedMemory(size_t bytes) : bytes_(bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t aligned = (bytes + 15) / 16 * 16, usable = (aligned + page - 1) / page * page;
  mapped_ = usable + 2 * page;
  void* pages = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  pages_ = static_cast<unsigned char*>(pages);
  if (usable != 0) mprotect(pages_ + page, usable, PROT_READ | PROT_WRITE);
  data_ = pages_ + page + usable - aligned;
  std::memset(pages_ + page, 255, usable);
}

GuardedMemory::~GuardedMemory() {
  if (pages_ != nullptr) munmap(pages_, mapped_);
}

GuardedMemory::GuardedMemory(GuardedMemory&& other) noexcept
    : bytes_(other.bytes_),
      mapped_(other.mapped_),
      pages_(std::exchange(other.pages_, nullptr)),
      data_(other.data_) {}

void GuardedMemory::spoil() { std::memset(data_, 255, bytes_); }

bool GuardedMemory::intact() const {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const auto unwritten = [](unsigned char byte) { return byte == 255; };
  return std::all_of(pages_ + page, data_, unwritten) &&
         std::all_of(data_ + bytes_, pages_ + mapped_ - page, unwritten);
}

namespace {
std::map<void*, GuardedMemory> allocations;
}

cudaError_t allocate(void** pointer, size_t bytes) {
  GuardedMemory memory(bytes);
  *pointer = memory.data();
  allocations.emplace(*pointer, std::move(memory));
  return cudaSuccess;
}

cudaError_t release(void* pointer) {
  const auto found = allocations.find(pointer);
  if (found == allocations.end()) return pointer == nullptr ? cudaSuccess : cudaErrorInvalidValue;
  const bool intact = found->second.intact();
  allocations.erase(found);
  return intact ? cudaSuccess : cudaErrorIllegalAddress;
}

cudaError_t copy(void* to, const void* from, size_t bytes) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

}  // namespace emulation
