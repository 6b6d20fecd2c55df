// The sessions of the C API by their handles. A handle is a number that is used once, not an address: one
// that was destroyed is recognized, whatever the memory holds by then.
#pragma once

#include <memory>

#include "c_api/run_queue.h"
#include "session/session.h"

namespace layoutrt {

struct OpenSession {
  OpenSession(std::unique_ptr<Engine> engine, const std::string& name, int run_processor)
      : session(std::move(engine), name), queue(run_processor) {}

  Session session;
  RunQueue queue;  // destroyed first: its thread uses the session
};

lrt_session* add_session(std::unique_ptr<OpenSession> session);

// Refuse new calls, wait for those under way and for pending runs, then free the session. On the session's
// own thread nothing is waited for: the last call frees it. Throws Error: there is no such session (any
// more).
void destroy_session(lrt_session* handle);

}  // namespace layoutrt
