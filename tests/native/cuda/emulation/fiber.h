// A stack and where its code stopped.
#pragma once

#include <ucontext.h>

#include <cstddef>

namespace emulation {

#if defined(__x86_64__)
// Saves what a function must keep for its caller on the stack, and goes on at another one.
extern "C" void emulation_switch(void** from, void* to);

class Context {
 public:
  // Prepares `entry` to start on the stack; it must not return.
  void prepare(unsigned char* stack, size_t bytes, void (*entry)()) {
    void** top = reinterpret_cast<void**>(stack + bytes);
    // As if `entry` had been called: the stack is 8 bytes off a multiple of 16.
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(entry);
    for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
    stack_ = top;
  }
  void switch_to(Context& other) { emulation_switch(&stack_, other.stack_); }

 private:
  void* stack_ = nullptr;
};
#else
class Context {
 public:
  void prepare(unsigned char* stack, size_t bytes, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = bytes;
    makecontext(&context_, entry, 0);
  }
  void switch_to(Context& other) { swapcontext(&context_, &other.context_); }

 private:
  ucontext_t context_;
};
#endif

}  // namespace emulation
