#include "c_api/session_handles.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "c_api/call.h"
#include "error.h"
#include "per_process.h"

namespace layoutrt {
namespace {

struct Entry {
  std::unique_ptr<OpenSession> session;
  size_t calls = 0;
  bool closing = false;
  bool abandoned = false;  // nobody waits for the last call: it frees the session
};

std::atomic<uintptr_t> last_handle{0};

struct Table {
  std::mutex mutex;
  std::condition_variable last_call_ended;
  std::unordered_map<const lrt_session*, Entry> entries;
  const uintptr_t inherited = last_handle.load();  // handles up to here are of a parent, if there is one
};

// A session of a parent has threads that are not here, and is never freed by a child.
Table& table() {
  static PerProcess<Table> tables;
  return tables.get();
}

Entry& find(Table& table, const lrt_session* handle, Call::Phase phase) {
  if (handle == nullptr) throw Error(LRT_INVALID_ARGUMENT, "session is NULL");
  if (reinterpret_cast<uintptr_t>(handle) <= table.inherited) {
    throw Error(LRT_INVALID_ARGUMENT,
                "session is of the process that this one was forked from, which alone can use or destroy it; "
                "create one after fork()");
  }
  const auto found = table.entries.find(handle);
  if (found == table.entries.end() || (found->second.closing && phase == Call::kOpen)) {
    throw Error(LRT_INVALID_ARGUMENT, "session is not open: it was destroyed, or never created");
  }
  return found->second;
}

}  // namespace

lrt_session* add_session(std::unique_ptr<OpenSession> session) {
  Table& all = table();
  const std::lock_guard<std::mutex> lock(all.mutex);
  auto* const handle = reinterpret_cast<lrt_session*>(last_handle += 16);
  all.entries[handle].session = std::move(session);
  return handle;
}

void destroy_session(lrt_session* handle) {
  Table& all = table();
  std::unique_ptr<OpenSession> owner;  // freed after the lock
  std::unique_lock<std::mutex> lock(all.mutex);
  Entry& entry = find(all, handle, Call::kOpen);
  entry.closing = true;
  if (entry.session->queue.on_own_thread()) {
    entry.abandoned = true;
    return;
  }
  all.last_call_ended.wait(lock, [&] { return entry.calls == 0; });
  owner = std::move(entry.session);
  all.entries.erase(handle);
  lock.unlock();
}

Call::Call(const lrt_session* handle, Phase phase) {
  Table& all = table();
  const std::lock_guard<std::mutex> lock(all.mutex);
  Entry& entry = find(all, handle, phase);
  ++entry.calls;
  handle_ = handle;
  session_ = entry.session.get();
}

Call::~Call() {
  if (session_ == nullptr) return;
  Table& all = table();
  std::unique_ptr<OpenSession> owner;  // freed after the lock
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto found = all.entries.find(handle_);
  if (found == all.entries.end()) return;  // this is a child, and the call one of its parent
  Entry& entry = found->second;
  if (--entry.calls > 0 || !entry.closing) return;
  if (entry.abandoned) {
    owner = std::move(entry.session);
    all.entries.erase(found);
  } else {
    all.last_call_ended.notify_all();
  }
}

}  // namespace layoutrt
