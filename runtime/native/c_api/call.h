// A use of a session, which keeps it from being freed.
#pragma once

#include <utility>

#include "layoutrt/layoutrt.h"

namespace layoutrt {

struct OpenSession;

class Call {
 public:
  Call() = default;
  // kWhileClosing: also while another thread destroys the session.
  enum Phase { kOpen, kWhileClosing };
  // Throws Error: the handle is NULL, or its session was destroyed.
  explicit Call(const lrt_session* handle, Phase phase = kOpen);
  Call(Call&& other) noexcept { *this = std::move(other); }
  Call& operator=(Call&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(session_, other.session_);
    return *this;
  }
  ~Call();

  OpenSession* operator->() const { return session_; }

 private:
  const lrt_session* handle_ = nullptr;
  OpenSession* session_ = nullptr;
};

}  // namespace layoutrt
