// A frame on its way through the pipeline: its memory, and its result so far.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layoutrt/pipeline.h"

namespace layoutrt::pipeline {

class Frame {
 public:
  Frame(int32_t height, int32_t width, bool segmented);
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  // Input of the pipeline: the frame, or the labels where nothing segments. Rows are row_bytes() long.
  uint8_t* input() { return frame_.empty() ? labels_.data() : frame_.data(); }
  size_t row_bytes() const;
  size_t bytes() const { return frame_.size() + labels_.size() + image_.size(); }

  // Forget what it held.
  void begin(int64_t user_stamp);
  void set_captured(int64_t at_ns) { result_.captured_ns = at_ns; }
  void set_sequence(int64_t sequence) { result_.sequence = sequence; }

  // Each runs one stage and keeps a failure in the result. The frame must not have failed before.
  void segment(lrt_session* segmenter) noexcept;
  void synthesize(lrt_session* generator) noexcept;
  // `stage` says who failed, as in "the generator".
  void fail(lrt_status status, const char* stage, const char* sentence) noexcept;

  bool failed() const { return result_.status != LRT_OK; }
  const lrt_pipeline_result& result() const { return result_; }

 private:
  std::vector<uint8_t> frame_;  // empty where nothing segments
  std::vector<uint8_t> labels_;
  std::vector<uint8_t> image_;
  lrt_tensor frame_tensor_{};
  lrt_tensor labels_tensor_{};
  lrt_tensor image_tensor_{};
  lrt_pipeline_result result_{};
  std::string error_;
};

}  // namespace layoutrt::pipeline
