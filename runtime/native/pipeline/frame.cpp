#include "pipeline/frame.h"

#include "pipeline/deadline.h"

namespace layoutrt::pipeline {
namespace {

constexpr size_t kChannels = 3;

lrt_tensor describe(const char* name, std::vector<uint8_t>& memory, int32_t height, int32_t width, int rank) {
  lrt_tensor tensor{};
  tensor.name = name;
  tensor.dtype = LRT_UINT8;
  tensor.rank = rank;
  const int64_t dims[] = {1, height, width, kChannels};
  for (int i = 0; i < rank; ++i) tensor.dims[i] = dims[i];
  tensor.data = memory.data();
  tensor.size_bytes = memory.size();
  return tensor;
}

double milliseconds(int64_t from_ns, int64_t to_ns) { return static_cast<double>(to_ns - from_ns) * 1e-6; }

}  // namespace

Frame::Frame(int32_t height, int32_t width, bool segmented) {
  const size_t pixels = static_cast<size_t>(height) * static_cast<size_t>(width);
  // Filled, so that the memory is really there before the first frame comes.
  if (segmented) frame_.resize(pixels * kChannels);
  labels_.resize(pixels);
  image_.resize(pixels * kChannels);
  frame_tensor_ = describe("frame", frame_, height, width, 4);
  labels_tensor_ = describe("labels", labels_, height, width, 3);
  image_tensor_ = describe("image", image_, height, width, 4);
  result_.height = height;
  result_.width = width;
}

size_t Frame::row_bytes() const {
  return static_cast<size_t>(result_.width) * (frame_.empty() ? 1 : kChannels);
}

void Frame::begin(int64_t user_stamp) {
  lrt_pipeline_result fresh{};
  fresh.height = result_.height;
  fresh.width = result_.width;
  fresh.user_stamp = user_stamp;
  fresh.error = "";
  fresh.frame = frame_.empty() ? nullptr : frame_.data();
  fresh.labels = frame_.empty() ? labels_.data() : nullptr;
  result_ = fresh;
}

void Frame::segment(lrt_session* segmenter) noexcept {
  result_.segment_start_ns = now_ns();
  result_.segment_wait_ms = milliseconds(result_.captured_ns, result_.segment_start_ns);
  const lrt_status status = lrt_session_run(segmenter, &frame_tensor_, 1, &labels_tensor_, 1);
  result_.segmented_ns = now_ns();
  if (status != LRT_OK) return fail(status, "the segmenter", lrt_last_error());
  result_.labels = labels_.data();
}

void Frame::synthesize(lrt_session* generator) noexcept {
  result_.synthesis_start_ns = now_ns();
  const int64_t ready_ns = frame_.empty() ? result_.captured_ns : result_.segmented_ns;
  result_.synthesis_wait_ms = milliseconds(ready_ns, result_.synthesis_start_ns);
  const lrt_status status = lrt_session_run(generator, &labels_tensor_, 1, &image_tensor_, 1);
  result_.synthesized_ns = now_ns();
  if (status != LRT_OK) return fail(status, "the generator", lrt_last_error());
  result_.image = image_.data();
  result_.latency_ms = milliseconds(result_.captured_ns, result_.synthesized_ns);
}

void Frame::fail(lrt_status status, const char* stage, const char* sentence) noexcept {
  result_.status = status;
  try {
    error_ = std::string(stage) + " failed on frame " + std::to_string(result_.sequence) + ": " + sentence;
    error_.erase(error_.find_last_not_of('\n') + 1);
    result_.error = error_.c_str();
  } catch (...) {
    result_.error = "out of memory";
  }
}

}  // namespace layoutrt::pipeline
