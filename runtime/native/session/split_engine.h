// A model whose export was split (layoutrt export --cache-layout): one engine computes what depends on the
// layout, another makes images of that and a latent.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.h"

namespace layoutrt {

class SplitEngine : public Engine {
 public:
  // Throws Error: the two do not belong together. `name` and `render_name` are for sentences.
  SplitEngine(std::unique_ptr<Engine> layout, std::unique_ptr<Engine> render, const std::string& name,
              const std::string& render_name);

  // Those of the layout first.
  const std::vector<TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<TensorInfo>& outputs() const override { return render_->outputs(); }
  const std::map<std::string, std::string>& metadata() const override { return layout_->metadata(); }
  std::string backend() const override { return layout_->backend() + ", keeps the layout"; }
  int32_t threads() const override { return layout_->threads(); }

  // set_layout and render.
  EngineTimings run(const std::vector<const lrt_tensor*>& inputs,
                    const std::vector<lrt_tensor*>& outputs) override;

  // How many of the inputs, from the first, set_layout takes; render takes the others.
  size_t layout_input_count() const { return layout_->inputs().size(); }

  // Compute what depends on the layout and keep it until the next call. Throws Error, and keeps nothing then.
  EngineTimings set_layout(const std::vector<const lrt_tensor*>& inputs);
  // Make images of the layout that was set. Throws Error: none was.
  EngineTimings render(const std::vector<const lrt_tensor*>& inputs, const std::vector<lrt_tensor*>& outputs);

 private:
  std::unique_ptr<Engine> layout_;
  std::unique_ptr<Engine> render_;
  std::vector<TensorInfo> inputs_;
  std::vector<lrt_tensor> kept_;                  // in memory of layout_
  std::vector<lrt_tensor*> kept_outputs_;         // of layout_: all of kept_
  std::vector<const lrt_tensor*> render_inputs_;  // of render_: kept_, and null where the caller's go
  // Lists of a run, kept for the next.
  std::vector<const lrt_tensor*> given_;
  std::vector<const lrt_tensor*> all_;
  bool has_layout_ = false;
};

// The engine itself, or, where the metadata name the file of a render half, that beside `path`, both as one
// engine. Throws Error.
std::unique_ptr<Engine> with_render_half(std::unique_ptr<Engine> engine, const std::string& path,
                                         const lrt_session_options& options);

// Throws Error: the model is a layout half. For models that have no folder to find the other half in.
void refuse_layout_half(const Engine& engine, const std::string& name);

}  // namespace layoutrt
