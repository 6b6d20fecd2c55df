// Threads for one call of a training operator.
//
// ONNX Runtime's threads are not at hand here and torch's cannot be borrowed, so each call starts its own;
// that costs some ten microseconds, and callers ask for one thread where there is little to do.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace layoutrt::training {

// Call body(i) for every i in [0, total). The parts must not depend on each other, nor results on which
// thread computes a part: every part writes memory of its own.
template <class Body>
void parallel_for(int threads, int64_t total, const Body& body) {
  std::atomic<int64_t> next{0};
  std::atomic<bool> out_of_memory{false};
  const auto work = [&] {
    try {
      for (int64_t i = next++; i < total; i = next++) body(i);
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  };
  std::vector<std::thread> helpers;
  helpers.reserve(static_cast<size_t>(threads));
  for (int64_t i = 1; i < threads && i < total; ++i) {
    try {
      helpers.emplace_back(work);
    } catch (const std::system_error&) {
      break;  // fewer threads do the same work
    }
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  if (out_of_memory) throw std::bad_alloc();
}

}  // namespace layoutrt::training
