// The C API of sessions.

#include <iterator>
#include <memory>
#include <string>

#include "api_guard.h"
#include "kernels/kernels.h"
#include "layoutrt/layoutrt.h"
#include "onnxruntime/onnxruntime_engine.h"
#include "session.h"

struct lrt_session {
  explicit lrt_session(std::unique_ptr<layoutrt::Engine> engine) : session(std::move(engine)) {}
  layoutrt::Session session;
};

namespace {

using layoutrt::Error;
using layoutrt::guarded;
using layoutrt::require;

lrt_session_options read_options(const lrt_session_options* options) {
  const auto known = layoutrt::read_options(options, "lrt_session_options");
  if (known.threads < 0) {
    throw Error(LRT_INVALID_ARGUMENT,
                "options->threads must not be negative, got " + std::to_string(known.threads));
  }
  return known;
}

}  // namespace

const char* lrt_version(void) { return LRT_VERSION; }

const char* lrt_simd(void) { return layoutrt::kernels::kernel_table().name; }

lrt_status lrt_session_create(const char* model_path, const lrt_session_options* options,
                              lrt_session** session) {
  if (session != nullptr) *session = nullptr;
  return guarded([&] {
    require(model_path, "model_path");
    require(session, "session");
    *session = std::make_unique<lrt_session>(layoutrt::open_onnxruntime(model_path, read_options(options)))
                   .release();
  });
}

lrt_status lrt_session_create_from_memory(const void* data, size_t size, const lrt_session_options* options,
                                          lrt_session** session) {
  if (session != nullptr) *session = nullptr;
  return guarded([&] {
    require(data, "data");
    require(session, "session");
    *session = std::make_unique<lrt_session>(layoutrt::open_onnxruntime(data, size, read_options(options)))
                   .release();
  });
}

void lrt_session_destroy(lrt_session* session) { std::unique_ptr<lrt_session> owner(session); }

lrt_status lrt_session_get_info(const lrt_session* session, lrt_session_info* info) {
  return guarded([&] {
    require(session, "session");
    require(info, "info");
    *info = session->session.info();
  });
}

lrt_status lrt_session_metadata(const lrt_session* session, const char* key, const char** value) {
  return guarded([&] {
    require(session, "session");
    require(key, "key");
    require(value, "value");
    *value = nullptr;
    const auto& metadata = session->session.metadata();
    const auto found = metadata.find(key);
    if (found == metadata.end()) {
      throw Error(LRT_NOT_FOUND, std::string("the model has no metadata '") + key + "'");
    }
    *value = found->second.c_str();
  });
}

lrt_status lrt_session_metadata_count(const lrt_session* session, size_t* count) {
  return guarded([&] {
    require(session, "session");
    require(count, "count");
    *count = session->session.metadata().size();
  });
}

lrt_status lrt_session_metadata_key(const lrt_session* session, size_t index, const char** key) {
  return guarded([&] {
    require(session, "session");
    require(key, "key");
    *key = nullptr;
    const auto& metadata = session->session.metadata();
    if (index >= metadata.size()) {
      throw Error(LRT_NOT_FOUND, "the model has " + std::to_string(metadata.size()) +
                                     " metadata keys; there is no number " + std::to_string(index));
    }
    *key = std::next(metadata.begin(), static_cast<std::ptrdiff_t>(index))->first.c_str();
  });
}

lrt_status lrt_session_run(lrt_session* session, const lrt_tensor* inputs, size_t input_count,
                           lrt_tensor* outputs, size_t output_count) {
  return guarded([&] {
    require(session, "session");
    session->session.run(inputs, input_count, outputs, output_count);
  });
}

lrt_status lrt_session_timings(const lrt_session* session, lrt_timings* timings) {
  return guarded([&] {
    require(session, "session");
    require(timings, "timings");
    *timings = session->session.timings();
  });
}
