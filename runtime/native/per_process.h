// State that must not outlive fork(). A child has the memory of its parent but none of its threads: a lock
// that one of them held stays held, and who waits for one of them waits for ever.
#pragma once

#include <atomic>
#include <memory>

namespace layoutrt {

// Number of forks between this process and the one that loaded the library.
unsigned fork_depth() noexcept;

// One T for each process, made when it is first asked for. That of a parent is left as it is in its children:
// never touched, never freed. So is each process's own: a program may end while threads use it.
template <class T>
class PerProcess {
 public:
  T& get() {
    Made* found = newest_.load(std::memory_order_acquire);
    if (found != nullptr && found->depth == fork_depth()) return found->value;
    auto made = std::make_unique<Made>();
    made->depth = fork_depth();
    made->of_parent = found;
    if (newest_.compare_exchange_strong(found, made.get())) return made.release()->value;
    return found->value;  // another thread was faster
  }

 private:
  struct Made {
    T value;
    unsigned depth = 0;
    Made* of_parent = nullptr;  // still referred to, so that no leak is reported
  };
  std::atomic<Made*> newest_{nullptr};
};

}  // namespace layoutrt
