// Many frames through a session, as a synchronous and as an asynchronous run, and through the pipeline, at
// 32x64. Prints the resident memory as it goes; fails if it grows by 2 MB or more after the first tenth.
//
//   soak generator.onnx segmenter.onnx FRAMES

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "expect.h"
#include "layoutrt/pipeline.h"

namespace {

constexpr int64_t kHeight = 32;
constexpr int64_t kWidth = 64;
constexpr size_t kPixels = kHeight * kWidth;
constexpr int64_t kMostGrowth = 2 << 20;  // bytes

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

lrt_session* open(const char* path) {
  lrt_session_options options{};
  options.struct_size = sizeof(options);
  options.threads = 1;
  lrt_session* session = nullptr;
  EXPECT(lrt_session_create(path, &options, &session) == LRT_OK);
  return session;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  lrt_session* generator = open(arguments[1]);
  lrt_session* segmenter = open(arguments[2]);
  const int frames = std::atoi(arguments[3]);
  lrt_pipeline_options options{};
  options.struct_size = sizeof(options);
  options.height = kHeight;
  options.width = kWidth;
  options.policy = LRT_EVERY_FRAME;
  lrt_pipeline* pipeline = nullptr;
  EXPECT(lrt_pipeline_create(segmenter, generator, &options, &pipeline) == LRT_OK);

  std::vector<uint8_t> labels(kPixels);
  std::vector<uint8_t> frame(kPixels * 3);
  std::vector<uint8_t> image(kPixels * 3);
  std::vector<uint8_t> padded(kHeight * 80 * 4);
  const lrt_tensor input = {"labels", LRT_UINT8, 3, {1, kHeight, kWidth}, labels.data(), labels.size(), {}};
  const lrt_tensor whole = {"image", LRT_UINT8, 4, {1, kHeight, kWidth, 3}, image.data(), image.size(), {}};
  const lrt_tensor strided = {"image",
                              LRT_UINT8,
                              4,
                              {1, kHeight, kWidth, 3},
                              padded.data(),
                              padded.size(),
                              {kHeight * 320, 320, 4, 1}};
  int64_t early = 0;
  for (int i = 0; i < frames; ++i) {
    if (i == frames / 10) early = resident_bytes();
    if (i % std::max(frames / 20, 1) == 0) {
      std::printf("%6d frames: %lld KB\n", i, static_cast<long long>(resident_bytes() / 1024));
      std::fflush(stdout);
    }
    std::fill(labels.begin(), labels.end(), static_cast<uint8_t>(i % 12));
    switch (i % 4) {
      case 0: {
        lrt_tensor output = whole;
        EXPECT(lrt_session_run(generator, &input, 1, &output, 1) == LRT_OK);
        break;
      }
      case 1: {
        uint64_t ticket = 0;
        EXPECT(lrt_session_run_async(generator, &input, 1, &strided, 1, nullptr, nullptr, &ticket) == LRT_OK);
        EXPECT(lrt_session_wait(generator, ticket, -1) == LRT_OK);
        // What is refused must not be kept either.
        EXPECT(lrt_session_wait(generator, ticket + 1, -1) == LRT_INVALID_ARGUMENT);
        break;
      }
      default: {
        std::fill(frame.begin(), frame.end(), static_cast<uint8_t>(i));
        EXPECT(lrt_pipeline_push(pipeline, frame.data(), 0, i, -1) == LRT_OK);
        const lrt_pipeline_result* result = nullptr;
        EXPECT(lrt_pipeline_next(pipeline, &result, -1) == LRT_OK);
        EXPECT(result != nullptr && result->status == LRT_OK && result->user_stamp == i);
        break;
      }
    }
  }
  const int64_t growth = resident_bytes() - early;
  std::printf("%6d frames: %lld KB, %+lld KB since frame %d\n", frames,
              static_cast<long long>(resident_bytes() / 1024), static_cast<long long>(growth / 1024),
              frames / 10);
  EXPECT(growth < kMostGrowth);
  EXPECT(lrt_pipeline_destroy(pipeline) == LRT_OK);
  EXPECT(lrt_session_destroy(segmenter) == LRT_OK);
  EXPECT(lrt_session_destroy(generator) == LRT_OK);
  return layoutrt::test::summary();
}
