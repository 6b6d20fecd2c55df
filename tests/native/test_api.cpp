// The C API on the shipped models at small sizes: from a file and from memory, with strides, asynchronously,
// from several threads, with handles that another thread destroys, and as a pipeline.
//
//   test_api generator.onnx segmenter.onnx
//
// ONNX Runtime's threads are not instrumented: sessions have one thread, the caller's.

#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "expect.h"
#include "layoutrt/pipeline.h"

namespace {

constexpr int64_t kHeight = 64;
constexpr int64_t kWidth = 64;
constexpr size_t kPixels = kHeight * kWidth;

using Bytes = std::vector<uint8_t>;

const char* generator_path = nullptr;
const char* segmenter_path = nullptr;

Bytes read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

lrt_session_options one_thread() {
  lrt_session_options options{};
  options.struct_size = sizeof(options);
  options.threads = 1;
  return options;
}

lrt_session* open(const char* path) {
  const lrt_session_options options = one_thread();
  lrt_session* session = nullptr;
  EXPECT(lrt_session_create(path, &options, &session) == LRT_OK);
  return session;
}

Bytes make_labels(int seed) {
  Bytes labels(kPixels);
  for (size_t i = 0; i < kPixels; ++i) labels[i] = static_cast<uint8_t>((i / 640 + i % 64 / 17 + seed) % 12);
  return labels;
}

lrt_tensor labels_tensor(Bytes* labels) {
  return {"labels", LRT_UINT8, 3, {1, kHeight, kWidth}, labels->data(), labels->size(), {}};
}

lrt_tensor image_tensor(Bytes* image) {
  image->resize(kPixels * 3);
  return {"image", LRT_UINT8, 4, {1, kHeight, kWidth, 3}, image->data(), image->size(), {}};
}

lrt_status run(lrt_session* session, Bytes* labels, Bytes* image) {
  const lrt_tensor input = labels_tensor(labels);
  lrt_tensor output = image_tensor(image);
  return lrt_session_run(session, &input, 1, &output, 1);
}

void test_sources() {
  Bytes labels = make_labels(0);
  Bytes image;
  lrt_session* session = open(generator_path);
  EXPECT(run(session, &labels, &image) == LRT_OK);

  const Bytes model = read_file(generator_path);
  const lrt_session_options options = one_thread();
  lrt_session* copy = nullptr;
  {
    const Bytes given = model;  // freed before the run
    EXPECT(lrt_session_create_from_memory(given.data(), given.size(), &options, &copy) == LRT_OK);
  }
  Bytes same;
  EXPECT(run(copy, &labels, &same) == LRT_OK && same == image);
  EXPECT(lrt_session_destroy(copy) == LRT_OK);

  for (const size_t size : {size_t{0}, size_t{1}, size_t{1000}, model.size() / 2, model.size() - 1}) {
    const Bytes cut(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(size));
    lrt_session* none = nullptr;
    EXPECT(lrt_session_create_from_memory(cut.data(), cut.size(), &options, &none) != LRT_OK);
    EXPECT(none == nullptr && std::strlen(lrt_last_error()) > 0);
  }

  lrt_label_set set{};
  set.struct_size = sizeof(set);
  EXPECT(lrt_session_label_set(session, &set) == LRT_OK && set.count == 12 && set.dont_care == 11);
  EXPECT(std::strcmp(set.names[0], "sky") == 0 && set.names[set.count - 1][0] != '\0');
  unsigned sum = 0;
  for (size_t i = 0; i < set.count; ++i) {
    sum += set.palette[3 * i + 2] + set.file_values[i] + set.things[i];
  }
  EXPECT(sum > 0);
  size_t count = 0;
  EXPECT(lrt_session_metadata_count(session, &count) == LRT_OK && count > 0);
  for (size_t i = 0; i < count; ++i) {
    const char* key = nullptr;
    const char* value = nullptr;
    EXPECT(lrt_session_metadata_key(session, i, &key) == LRT_OK);
    EXPECT(lrt_session_metadata(session, key, &value) == LRT_OK && value != nullptr);
  }
  const char* key = nullptr;
  EXPECT(lrt_session_metadata_key(session, count, &key) == LRT_NOT_FOUND);
  EXPECT(lrt_session_destroy(session) == LRT_OK);
}

// Labels as a window of a wider map, the image with padded rows of RGBX, in buffers of exactly that size; and
// labels at an odd address.
void test_strides() {
  lrt_session* session = open(generator_path);
  Bytes labels = make_labels(1);
  Bytes image;
  EXPECT(run(session, &labels, &image) == LRT_OK);

  constexpr int64_t kStride = 100;
  constexpr int64_t kRow = kWidth * 4 + 12;
  Bytes wide(kStride * (kHeight - 1) + kWidth, 99);
  for (int64_t i = 0; i < kHeight; ++i)
    std::memcpy(&wide[static_cast<size_t>(i * kStride)], &labels[static_cast<size_t>(i * kWidth)], kWidth);
  Bytes rgbx(kRow * (kHeight - 1) + kWidth * 4 - 1, 77);
  const lrt_tensor input = {"labels",
                            LRT_UINT8,
                            3,
                            {1, kHeight, kWidth},
                            wide.data(),
                            wide.size(),
                            {kStride * kHeight, kStride, 1}};
  lrt_tensor output = {
      "image", LRT_UINT8, 4, {1, kHeight, kWidth, 3}, rgbx.data(), rgbx.size(), {kRow * kHeight, kRow, 4, 1}};
  EXPECT(lrt_session_run(session, &input, 1, &output, 1) == LRT_OK);
  bool same = true;
  for (size_t p = 0; p < kPixels; ++p) {
    const uint8_t* pixel = &rgbx[p / kWidth * kRow + p % kWidth * 4];
    same = same && std::memcmp(pixel, &image[p * 3], 3) == 0;
    if (p + 1 < kPixels) same = same && pixel[3] == 77;
  }
  EXPECT(same);
  output.size_bytes = rgbx.size() - 1;
  EXPECT(lrt_session_run(session, &input, 1, &output, 1) == LRT_INVALID_ARGUMENT);

  Bytes empty;
  lrt_tensor nothing = labels_tensor(&empty);
  nothing.dims[1] = 0;
  output = {};
  output.name = "image";
  EXPECT(lrt_session_run(session, &nothing, 1, &output, 1) != LRT_OK);
  // A session's own memory, and an output of another size than the run before.
  EXPECT(lrt_session_run(session, &input, 1, &output, 1) == LRT_OK);
  EXPECT(output.size_bytes == image.size() && std::memcmp(output.data, image.data(), image.size()) == 0);
  EXPECT(lrt_session_destroy(session) == LRT_OK);
}

struct Ended {
  std::atomic<int> fine{0};
  std::atomic<int> failed{0};
  static void callback(void* data, lrt_status status, const char*) {
    auto* ended = static_cast<Ended*>(data);
    ++(status == LRT_OK ? ended->fine : ended->failed);
  }
};

void test_asynchronous_runs() {
  lrt_session* session = open(generator_path);
  constexpr size_t kRuns = 6;
  Bytes labels[kRuns];
  Bytes images[kRuns];
  Ended ended;
  uint64_t tickets[kRuns] = {};
  for (size_t i = 0; i < kRuns; ++i) {
    labels[i] = make_labels(static_cast<int>(i));
    const lrt_tensor input = labels_tensor(&labels[i]);
    const lrt_tensor output = image_tensor(&images[i]);
    EXPECT(lrt_session_run_async(session, &input, 1, &output, 1, Ended::callback, &ended, &tickets[i]) ==
           LRT_OK);
  }
  for (const uint64_t ticket : tickets) EXPECT(lrt_session_wait(session, ticket, -1) == LRT_OK);
  EXPECT(ended.fine == kRuns && ended.failed == 0);
  for (size_t i = 0; i < kRuns; ++i) {
    Bytes image;
    EXPECT(run(session, &labels[i], &image) == LRT_OK && image == images[i]);
  }
  EXPECT(lrt_session_destroy(session) == LRT_OK);
  EXPECT(lrt_session_wait(session, 0, -1) == LRT_INVALID_ARGUMENT);
}

// Several threads run, submit, wait and read the timings of a session that is destroyed under them.
void test_destroy_at_work() {
  for (int turn = 0; turn < 3; ++turn) {
    lrt_session* session = open(generator_path);
    Ended ended;
    std::atomic<int> submitted{0};
    Bytes labels = make_labels(turn);
    Bytes async_image;
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      Bytes mine = labels;
      Bytes image;
      while (run(session, &mine, &image) == LRT_OK) {
      }
    });
    threads.emplace_back([&] {
      const lrt_tensor input = labels_tensor(&labels);
      const lrt_tensor output = image_tensor(&async_image);
      while (true) {
        uint64_t ticket = 0;
        if (lrt_session_run_async(session, &input, 1, &output, 1, Ended::callback, &ended, &ticket) != LRT_OK)
          break;
        ++submitted;
        if (lrt_session_wait(session, ticket, 1) == LRT_INVALID_ARGUMENT) break;
        if (submitted % 4 == 0) lrt_session_wait(session, 0, -1);
      }
    });
    threads.emplace_back([&] {
      lrt_timings timings{};
      timings.struct_size = sizeof(timings);
      while (lrt_session_timings(session, &timings) == LRT_OK) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30 + 40 * turn));
    EXPECT(lrt_session_destroy(session) == LRT_OK);
    for (std::thread& thread : threads) thread.join();
    EXPECT(ended.fine == submitted && ended.failed == 0);
    EXPECT(lrt_session_destroy(session) == LRT_INVALID_ARGUMENT);
  }
}

// Destroyed by its own callback, which also submits a run.
void test_destroy_in_callback() {
  struct Context {
    lrt_session* session;
    lrt_tensor input;
    lrt_tensor output;
    std::atomic<int> calls{0};
    std::atomic<bool> last{false};
  };
  Bytes labels = make_labels(0);
  Bytes image;
  Context context{open(generator_path), labels_tensor(&labels), image_tensor(&image)};
  const auto callback = [](void* data, lrt_status status, const char*) {
    auto* it = static_cast<Context*>(data);
    EXPECT(status == LRT_OK);
    if (++it->calls == 1) {
      const lrt_run_callback second = [](void* more, lrt_status, const char*) {
        static_cast<Context*>(more)->last = true;
      };
      EXPECT(lrt_session_run_async(it->session, &it->input, 1, &it->output, 1, second, it, nullptr) ==
             LRT_OK);
      EXPECT(lrt_session_destroy(it->session) == LRT_OK);
    }
  };
  EXPECT(lrt_session_run_async(context.session, &context.input, 1, &context.output, 1, callback, &context,
                               nullptr) == LRT_OK);
  while (!context.last) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT(lrt_session_run(context.session, &context.input, 1, &context.output, 1) == LRT_INVALID_ARGUMENT);
  // The session ends after its last run, on its own thread; give it the time.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

// One thread pushes, another reads; then a pipeline is destroyed with frames inside.
void test_pipeline() {
  lrt_session* segmenter = open(segmenter_path);
  lrt_session* generator = open(generator_path);
  for (const lrt_pipeline_policy policy : {LRT_EVERY_FRAME, LRT_LATEST_FRAME_WINS}) {
    lrt_pipeline_options options{};
    options.struct_size = sizeof(options);
    options.height = kHeight;
    options.width = kWidth;
    options.policy = policy;
    lrt_pipeline* pipeline = nullptr;
    EXPECT(lrt_pipeline_create(segmenter, generator, &options, &pipeline) == LRT_OK);
    constexpr int kFrames = 6;
    std::thread pusher([&] {
      for (int i = 0; i < kFrames; ++i) {
        const Bytes frame(kPixels * 3, static_cast<uint8_t>(40 * i));
        EXPECT(lrt_pipeline_push(pipeline, frame.data(), 0, i, -1) == LRT_OK);
      }
    });
    if (policy == LRT_EVERY_FRAME) {
      for (int i = 0; i < kFrames;) {
        const lrt_pipeline_result* result = nullptr;
        EXPECT(lrt_pipeline_next(pipeline, &result, -1) == LRT_OK);
        if (result == nullptr) continue;
        EXPECT(result->status == LRT_OK && result->user_stamp == i);
        EXPECT(result->image[kPixels * 3 - 1] + result->labels[kPixels - 1] >= 0);
        ++i;
      }
    }
    pusher.join();
    EXPECT(lrt_pipeline_destroy(pipeline) == LRT_OK);
  }
  EXPECT(lrt_session_destroy(segmenter) == LRT_OK);
  EXPECT(lrt_session_destroy(generator) == LRT_OK);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  generator_path = arguments[1];
  segmenter_path = arguments[2];
  test_sources();
  test_strides();
  test_asynchronous_runs();
  test_destroy_at_work();
  test_destroy_in_callback();
  test_pipeline();
  return layoutrt::test::summary();
}
