#include "session/split_engine.h"

#include <algorithm>

#include "error.h"
#include "onnxruntime/onnxruntime_engine.h"

namespace layoutrt {
namespace {

constexpr const char* kRenderFile = "layoutrt.render_file";
constexpr const char* kSplitId = "layoutrt.split_id";

std::string value(const Engine& engine, const char* key) {
  const auto found = engine.metadata().find(key);
  return found == engine.metadata().end() ? "" : found->second;
}

bool is_file_name(const std::string& text) {
  return !text.empty() && text != "." && text != ".." && text.find_first_of("/\\") == std::string::npos;
}

const TensorInfo* find(const std::vector<TensorInfo>& tensors, const std::string& name) {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& info) { return info.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

}  // namespace

SplitEngine::SplitEngine(std::unique_ptr<Engine> layout, std::unique_ptr<Engine> render,
                         const std::string& name, const std::string& render_name)
    : layout_(std::move(layout)), render_(std::move(render)), inputs_(layout_->inputs()) {
  const std::string id = value(*layout_, kSplitId);
  if (id.empty() || id != value(*render_, kSplitId)) {
    throw Error(LRT_INVALID_MODEL, name + " and its render half " + render_name +
                                       " are of different exports; copy both files of one export, or export "
                                       "the model again with --cache-layout");
  }
  const std::vector<TensorInfo>& outputs = layout_->outputs();
  kept_.resize(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    kept_[i].name = outputs[i].name.c_str();
    kept_outputs_.push_back(&kept_[i]);
  }
  for (const TensorInfo& input : render_->inputs()) {
    const TensorInfo* made = find(outputs, input.name);
    if (made != nullptr && (made->dtype != input.dtype || made->dims != input.dims)) {
      throw Error(LRT_INVALID_MODEL, name + " makes '" + input.name + "' in a shape or type that " +
                                         render_name + " does not take; export the model again");
    }
    render_inputs_.push_back(made == nullptr ? nullptr : &kept_[static_cast<size_t>(made - outputs.data())]);
    if (made == nullptr) inputs_.push_back(input);
  }
}

EngineTimings SplitEngine::run(const std::vector<const lrt_tensor*>& inputs,
                               const std::vector<lrt_tensor*>& outputs) {
  const auto middle = inputs.begin() + static_cast<std::ptrdiff_t>(layout_input_count());
  given_.assign(inputs.begin(), middle);
  EngineTimings timings = set_layout(given_);
  given_.assign(middle, inputs.end());
  const EngineTimings rendering = render(given_, outputs);
  timings.copy_in_ms += rendering.copy_in_ms;
  timings.engine_ms += rendering.engine_ms;
  timings.copy_out_ms += rendering.copy_out_ms;
  return timings;
}

EngineTimings SplitEngine::set_layout(const std::vector<const lrt_tensor*>& inputs) {
  has_layout_ = false;
  // Memory of the engine, so that nothing is copied between the two.
  for (lrt_tensor& tensor : kept_) tensor.data = nullptr;
  const EngineTimings timings = layout_->run(inputs, kept_outputs_);
  has_layout_ = true;
  return timings;
}

EngineTimings SplitEngine::render(const std::vector<const lrt_tensor*>& inputs,
                                  const std::vector<lrt_tensor*>& outputs) {
  if (!has_layout_) {
    throw Error(LRT_INVALID_ARGUMENT, "no layout is set; give one to set_layout before render");
  }
  all_ = render_inputs_;
  auto next = inputs.begin();
  for (const lrt_tensor*& input : all_) {
    if (input == nullptr) input = *next++;
  }
  return render_->run(all_, outputs);
}

std::unique_ptr<Engine> with_render_half(std::unique_ptr<Engine> engine, const std::string& path,
                                         const lrt_session_options& options) {
  if (engine->metadata().count(kRenderFile) == 0) return engine;
  const std::string file = value(*engine, kRenderFile);
  const std::string name = "'" + path + "'";
  if (!is_file_name(file)) {
    throw Error(
        LRT_INVALID_MODEL,
        name + " names '" + file + "' as its render half, which is not a file name; export the model again");
  }
  const std::string render_path = path.substr(0, path.find_last_of('/') + 1) + file;
  std::unique_ptr<Engine> render;
  try {
    render = open_onnxruntime(render_path.c_str(), options);
  } catch (const Error& error) {
    if (error.status() != LRT_NOT_FOUND) throw;
    throw Error(LRT_NOT_FOUND, name + " is one half of a model and '" + render_path +
                                   "' the other, which is not there; keep both files of an export together");
  }
  return std::make_unique<SplitEngine>(std::move(engine), std::move(render), name, "'" + render_path + "'");
}

void refuse_layout_half(const Engine& engine, const std::string& name) {
  if (engine.metadata().count(kRenderFile) == 0) return;
  throw Error(LRT_INVALID_MODEL,
              name + " is one half of a model and the other is a file; open it by the path of its file");
}

}  // namespace layoutrt
