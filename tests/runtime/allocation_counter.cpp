// Preloaded, counts the memory that a library asks for: calls of malloc and of operator new whose caller lies
// in liblayoutrt. What ONNX Runtime or Python allocate is not counted.
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

std::atomic<bool> counting{false};
std::atomic<long> calls{0};
thread_local bool inside = false;

void count(void* caller) {
  if (!counting || inside) return;
  inside = true;  // dladdr may allocate itself
  Dl_info info{};
  if (dladdr(caller, &info) != 0 && std::strstr(info.dli_fname, "liblayoutrt") != nullptr) ++calls;
  inside = false;
}

}  // namespace

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

void* malloc(size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_malloc(bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}

void start_counting() {
  calls = 0;
  counting = true;
}

long stop_counting() {
  counting = false;
  return calls;
}
}

void* operator new(size_t bytes) {
  count(__builtin_return_address(0));
  if (void* memory = __libc_malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new[](size_t bytes) {
  count(__builtin_return_address(0));
  if (void* memory = __libc_malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
