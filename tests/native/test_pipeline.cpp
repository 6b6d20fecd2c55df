// Many pipelines on made-up sessions, from several threads each.
//
// A made-up segmenter writes the frame's first byte of each pixel, a made-up generator that label plus one,
// so results can be checked; both sleep for a moment. A label of 255 makes the generator fail.

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "c_api/api_guard.h"
#include "expect.h"
#include "layoutrt/pipeline.h"

namespace {

constexpr int32_t kHeight = 4;
constexpr int32_t kWidth = 6;
constexpr int kPixels = kHeight * kWidth;
constexpr uint8_t kBad = 255;

void fill(uint8_t* frame, int64_t number) { std::memset(frame, static_cast<int>(number % 250), kPixels * 3); }

struct Seen {
  int64_t last = -1;
  int64_t count = 0;
};

void check(Seen* seen, const lrt_pipeline_result* result) {
  EXPECT(result->sequence > seen->last);
  seen->last = result->sequence;
  ++seen->count;
  if (result->status != LRT_OK) {
    EXPECT(result->image == nullptr &&
           std::strstr(result->error, "the generator failed on frame") != nullptr);
    return;
  }
  const int number = static_cast<int>(result->user_stamp % 250);
  EXPECT(result->frame[0] == number && result->labels[kPixels - 1] == number);
  EXPECT(result->image[0] == number + 1 && result->image[kPixels * 3 - 1] == number + 1);
  EXPECT(0 < result->captured_ns && result->captured_ns <= result->segment_start_ns);
  EXPECT(result->segment_start_ns <= result->segmented_ns);
  EXPECT(result->segmented_ns <= result->synthesis_start_ns);
  EXPECT(result->synthesis_start_ns <= result->synthesized_ns && result->latency_ms > 0);
}

lrt_pipeline* create(lrt_pipeline_policy policy, int32_t capacity, lrt_pipeline_result_fn on_result,
                     void* user_data) {
  lrt_pipeline_options options{};
  options.struct_size = sizeof(options);
  options.height = kHeight;
  options.width = kWidth;
  options.capacity = capacity;
  options.policy = policy;
  options.on_result = on_result;
  options.user_data = user_data;
  lrt_pipeline* pipeline = nullptr;
  EXPECT(lrt_pipeline_create(reinterpret_cast<lrt_session*>(1), reinterpret_cast<lrt_session*>(2), &options,
                             &pipeline) == LRT_OK);
  return pipeline;
}

lrt_pipeline_stats stats_of(const lrt_pipeline* pipeline) {
  lrt_pipeline_stats stats{};
  stats.struct_size = sizeof(stats);
  EXPECT(lrt_pipeline_get_stats(pipeline, &stats) == LRT_OK);
  EXPECT(stats.pushed == stats.done + stats.failed + stats.dropped + stats.inside);
  return stats;
}

void push_numbers(lrt_pipeline* pipeline, int count) {
  uint8_t frame[kPixels * 3];
  for (int number = 0; number < count; ++number) {
    fill(frame, number);
    if (number % 50 == 7) std::memset(frame, kBad, sizeof(frame));
    EXPECT(lrt_pipeline_push(pipeline, frame, 0, number, -1) == LRT_OK);
  }
}

// One thread pushes, one reads, one looks at the statistics.
void push_and_read(lrt_pipeline_policy policy, int32_t capacity) {
  constexpr int kCount = 300;
  lrt_pipeline* pipeline = create(policy, capacity, nullptr, nullptr);
  Seen seen;
  std::atomic<bool> pushed{false};
  std::thread reader([&] {
    const lrt_pipeline_result* result = nullptr;
    while (true) {
      const bool last_turn = pushed;
      const lrt_status status = lrt_pipeline_next(pipeline, &result, last_turn ? -1 : 5);
      EXPECT(status == LRT_OK || status == LRT_TIMEOUT);
      if (result != nullptr) check(&seen, result);
      if (last_turn && result == nullptr) return;
    }
  });
  std::thread watcher([&] {
    while (!pushed) stats_of(pipeline);
  });
  push_numbers(pipeline, kCount);
  pushed = true;
  reader.join();
  watcher.join();
  EXPECT(lrt_pipeline_flush(pipeline) == LRT_OK);
  const lrt_pipeline_stats stats = stats_of(pipeline);
  EXPECT(stats.pushed == kCount && stats.inside == 0);
  EXPECT(seen.count == stats.done + stats.failed - stats.unread);
  if (policy == LRT_EVERY_FRAME) EXPECT(seen.count == kCount && stats.failed == kCount / 50);
  EXPECT(lrt_pipeline_destroy(pipeline) == LRT_OK);
  EXPECT(lrt_pipeline_flush(pipeline) == LRT_INVALID_ARGUMENT);
}

struct Source {
  int64_t number = 0;
  int64_t end = 0;
};

int capture(void* user_data, uint8_t* frame, size_t stride, int64_t* user_stamp) {
  auto* source = static_cast<Source*>(user_data);
  if (source->number == source->end) return 0;
  EXPECT(stride == kWidth * 3);
  fill(frame, source->number);
  *user_stamp = source->number++;
  return 1;
}

void capture_and_call_back(lrt_pipeline_policy policy) {
  Seen seen;
  lrt_pipeline* pipeline = create(
      policy, 2,
      [](void* data, const lrt_pipeline_result* result) { check(static_cast<Seen*>(data), result); }, &seen);
  for (int turn = 0; turn < 2; ++turn) {
    Source source{0, 200};
    EXPECT(lrt_pipeline_run(pipeline, capture, &source) == LRT_OK);
    EXPECT(lrt_pipeline_flush(pipeline) == LRT_OK);
  }
  const lrt_pipeline_stats stats = stats_of(pipeline);
  EXPECT(stats.pushed == 400 && seen.count == stats.done);
  if (policy == LRT_EVERY_FRAME) EXPECT(seen.count == 400);
  EXPECT(lrt_pipeline_destroy(pipeline) == LRT_OK);
}

// Destroyed while one thread pushes, one reads, one flushes and the threads work.
void destroy_at_work(lrt_pipeline_policy policy) {
  for (int turn = 0; turn < 20; ++turn) {
    lrt_pipeline* pipeline = create(policy, 1, nullptr, nullptr);
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      const uint8_t frame[kPixels * 3] = {};
      while (lrt_pipeline_push(pipeline, frame, 0, 0, -1) == LRT_OK) {
      }
    });
    threads.emplace_back([&] {
      const lrt_pipeline_result* result = nullptr;
      lrt_status status = LRT_OK;
      while (status == LRT_OK || status == LRT_TIMEOUT) status = lrt_pipeline_next(pipeline, &result, 1000);
    });
    threads.emplace_back([&] {
      while (lrt_pipeline_flush(pipeline) == LRT_OK) {
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(turn % 5));
    EXPECT(lrt_pipeline_destroy(pipeline) == LRT_OK);
    for (std::thread& thread : threads) thread.join();
  }
  Source endless{0, -1};
  lrt_pipeline* pipeline = create(policy, 1, nullptr, nullptr);
  EXPECT(lrt_pipeline_run(pipeline, capture, &endless) == LRT_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
  EXPECT(lrt_pipeline_destroy(pipeline) == LRT_OK);
}

const lrt_tensor_info kFrame = {"frame", LRT_UINT8, 4, {1, -1, -1, 3}};
const lrt_tensor_info kLabels = {"labels", LRT_UINT8, 3, {1, -1, -1}};
const lrt_tensor_info kImage = {"image", LRT_UINT8, 4, {1, -1, -1, 3}};

}  // namespace

lrt_status lrt_session_get_info(const lrt_session* session, lrt_session_info* info) {
  const bool segmenter = reinterpret_cast<uintptr_t>(session) == 1;
  info->input_count = 1;
  info->inputs = segmenter ? &kFrame : &kLabels;
  info->output_count = 1;
  info->outputs = segmenter ? &kLabels : &kImage;
  info->backend = "made up";
  info->threads = 1;
  return LRT_OK;
}

int32_t lrt_default_threads(void) { return 2; }

lrt_status lrt_session_label_set(const lrt_session*, lrt_label_set*) { return LRT_NOT_FOUND; }

const char* lrt_version(void) { return "made up"; }

lrt_status lrt_session_metadata(const lrt_session*, const char*, const char**) { return LRT_NOT_FOUND; }

lrt_status lrt_session_run(lrt_session* session, const lrt_tensor* inputs, size_t, lrt_tensor* outputs,
                           size_t) {
  std::this_thread::sleep_for(std::chrono::microseconds(100));
  const auto* from = static_cast<const uint8_t*>(inputs->data);
  auto* to = static_cast<uint8_t*>(outputs->data);
  if (reinterpret_cast<uintptr_t>(session) == 1) {
    for (int i = 0; i < kPixels; ++i) to[i] = from[3 * i];
    return LRT_OK;
  }
  if (from[0] == kBad) return layoutrt::fail(LRT_RUNTIME_ERROR, "a label is bad");
  for (int i = 0; i < kPixels * 3; ++i) to[i] = static_cast<uint8_t>(from[i / 3] + 1);
  return LRT_OK;
}

int main() {
  for (const lrt_pipeline_policy policy : {LRT_LATEST_FRAME_WINS, LRT_EVERY_FRAME}) {
    push_and_read(policy, 1);
    push_and_read(policy, 3);
    capture_and_call_back(policy);
    destroy_at_work(policy);
  }
  std::thread other([] { push_and_read(LRT_LATEST_FRAME_WINS, 1); });
  push_and_read(LRT_EVERY_FRAME, 1);
  other.join();
  return layoutrt::test::summary();
}
