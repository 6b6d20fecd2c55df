// The C API of sessions.

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "c_api/api_guard.h"
#include "c_api/call.h"
#include "c_api/session_handles.h"
#include "formats/engine_manifest.h"
#include "kernels/kernels.h"
#include "layoutrt/layoutrt.h"
#include "onnxruntime/onnxruntime_engine.h"
#include "processors.h"
#include "session/split_engine.h"
#include "tensorrt/tensorrt_engine.h"

#define LRT_TEXT_OF(number) #number
#define LRT_TEXT(number) LRT_TEXT_OF(number)

namespace {

using layoutrt::Call;
using layoutrt::Error;
using layoutrt::guarded;
using layoutrt::require;
using layoutrt::write_struct;

lrt_session_options read_options(const lrt_session_options* options) {
  const auto known = layoutrt::read_options(options, "lrt_session_options");
  const auto refuse = [](const char* name, const char* range, int32_t got) {
    throw Error(LRT_INVALID_ARGUMENT,
                std::string("options->") + name + " must be " + range + ", got " + std::to_string(got));
  };
  if (known.threads < 0 || known.threads > LRT_MAX_THREADS) {
    refuse("threads", "0 to " LRT_TEXT(LRT_MAX_THREADS), known.threads);
  }
  if (known.spinning < LRT_SPIN_DURING_RUNS || known.spinning > LRT_SPIN_ALWAYS) {
    refuse("spinning", "0, 1 or 2 (lrt_spinning)", known.spinning);
  }
  if (known.reserved != 0) refuse("reserved", "0", known.reserved);
  return known;
}

std::unique_ptr<layoutrt::Engine> open_file(const char* path, const lrt_session_options& options) {
  if (layoutrt::is_engine(path)) return layoutrt::open_tensorrt(path, options);
  return layoutrt::with_render_half(layoutrt::open_onnxruntime(path, options), path, options);
}

lrt_session* open_session(std::unique_ptr<layoutrt::Engine> engine, const std::string& name,
                          const lrt_session_options& options) {
  const std::vector<int> processors = layoutrt::parse_processors(options.affinity);
  return layoutrt::add_session(std::make_unique<layoutrt::OpenSession>(
      std::move(engine), name, processors.empty() ? -1 : processors.front()));
}

}  // namespace

const char* lrt_version(void) {
  return LRT_TEXT(LRT_VERSION_MAJOR) "." LRT_TEXT(LRT_VERSION_MINOR) "." LRT_TEXT(LRT_VERSION_PATCH);
}

int32_t lrt_abi_version(void) { return LRT_ABI_VERSION; }

int32_t lrt_has_tensorrt(void) { return layoutrt::has_tensorrt() ? 1 : 0; }

const char* lrt_simd(void) {
  const char* name = "";
  guarded([&] { name = layoutrt::kernels::kernel_table().name; });
  return name;
}

int32_t lrt_default_threads(void) { return layoutrt::default_threads(); }

int64_t lrt_usable_memory(void) { return layoutrt::usable_memory(); }

lrt_status lrt_session_create(const char* model_path, const lrt_session_options* options,
                              lrt_session** session) {
  if (session != nullptr) *session = nullptr;
  return guarded([&] {
    require(model_path, "model_path");
    require(session, "session");
    const lrt_session_options known = read_options(options);
    *session = open_session(open_file(model_path, known), std::string("'") + model_path + "'", known);
  });
}

lrt_status lrt_session_create_from_memory(const void* data, size_t size, const lrt_session_options* options,
                                          lrt_session** session) {
  if (session != nullptr) *session = nullptr;
  return guarded([&] {
    require(data, "data");
    require(session, "session");
    const lrt_session_options known = read_options(options);
    auto engine = layoutrt::open_onnxruntime(data, size, known);
    layoutrt::refuse_layout_half(*engine, "the model in memory");
    *session = open_session(std::move(engine), "the model in memory", known);
  });
}

lrt_status lrt_session_destroy(lrt_session* session) {
  if (session == nullptr) return LRT_OK;
  return guarded([&] { layoutrt::destroy_session(session); });
}

lrt_status lrt_session_get_info(const lrt_session* session, lrt_session_info* info) {
  return guarded([&] {
    const Call call(session);
    write_struct(call->session.info(), "info", "lrt_session_info", info);
  });
}

lrt_status lrt_session_label_set(const lrt_session* session, lrt_label_set* label_set) {
  return guarded([&] {
    const Call call(session);
    const layoutrt::LabelSet* found = call->session.label_set();
    if (found == nullptr) {
      throw Error(LRT_NOT_FOUND, "the model names no label set; export it with layoutrt export");
    }
    write_struct(found->view(), "label_set", "lrt_label_set", label_set);
  });
}

lrt_status lrt_session_metadata(const lrt_session* session, const char* key, const char** value) {
  return guarded([&] {
    const Call call(session);
    require(key, "key");
    require(value, "value");
    *value = nullptr;
    const auto& metadata = call->session.metadata();
    const auto found = metadata.find(key);
    if (found == metadata.end()) {
      throw Error(LRT_NOT_FOUND, std::string("the model has no metadata '") + key + "'");
    }
    *value = found->second.c_str();
  });
}

lrt_status lrt_session_metadata_count(const lrt_session* session, size_t* count) {
  return guarded([&] {
    const Call call(session);
    require(count, "count");
    *count = call->session.metadata().size();
  });
}

lrt_status lrt_session_metadata_key(const lrt_session* session, size_t index, const char** key) {
  return guarded([&] {
    const Call call(session);
    require(key, "key");
    *key = nullptr;
    const auto& metadata = call->session.metadata();
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
    const Call call(session);
    call->session.run(inputs, input_count, outputs, output_count);
  });
}

lrt_status lrt_session_set_layout(lrt_session* session, const lrt_tensor* inputs, size_t input_count) {
  return guarded([&] {
    const Call call(session);
    call->session.set_layout(inputs, input_count);
  });
}

lrt_status lrt_session_render(lrt_session* session, const lrt_tensor* inputs, size_t input_count,
                              lrt_tensor* outputs, size_t output_count) {
  return guarded([&] {
    const Call call(session);
    call->session.render(inputs, input_count, outputs, output_count);
  });
}

lrt_status lrt_session_run_device(lrt_session* session, const lrt_tensor* inputs, size_t input_count,
                                  const lrt_tensor* outputs, size_t output_count, void* cuda_stream) {
  return guarded([&] {
    const Call call(session);
    call->session.run_device(inputs, input_count, outputs, output_count, cuda_stream);
  });
}

lrt_status lrt_session_run_async(lrt_session* session, const lrt_tensor* inputs, size_t input_count,
                                 const lrt_tensor* outputs, size_t output_count, lrt_run_callback callback,
                                 void* user_data, uint64_t* ticket) {
  return guarded([&] {
    Call call(session);
    layoutrt::RunQueue& queue = call->queue;
    const uint64_t given =
        queue.submit(std::move(call), inputs, input_count, outputs, output_count, callback, user_data);
    if (ticket != nullptr) *ticket = given;
  });
}

lrt_status lrt_session_wait(lrt_session* session, uint64_t ticket, int32_t timeout_ms) {
  return guarded([&] {
    // A thread that waits must not be sent away while its run still uses its memory.
    const Call call(session, Call::kWhileClosing);
    call->queue.wait(ticket, timeout_ms);
  });
}

lrt_status lrt_session_timings(const lrt_session* session, lrt_timings* timings) {
  return guarded([&] {
    const Call call(session);
    write_struct(call->session.timings(), "timings", "lrt_timings", timings);
  });
}

lrt_status lrt_session_reset_timings(lrt_session* session) {
  return guarded([&] {
    const Call call(session);
    call->session.reset_timings();
  });
}
