// Overhead of a call of the C API over ONNX Runtime's own Run, on a model so small that it shows: y = -x of
// 64 floats. The same ONNX Runtime runs both, with one thread; calls take turns, so that a slow spell of the
// machine meets all alike.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "layoutrt/layoutrt.hpp"
#include "onnxruntime/library.h"
#include "onnxruntime/status.h"

static std::atomic<long> allocations{0};

void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace {

// A ModelProto: Neg("x") -> "y", float32 [64] both, opset 20.
const std::string kModel(
    "\010\012:"
    "2\012\013\012\001x\022\001y\042\003Neg\022\001gZ\017\012\001x\022\012\012\010\010\001\022\004\012"
    "\002\010@b\017\012\001y\022\012\012\010\010\001\022\004\012\002\010@B\004\012\000\020\024",
    60);
constexpr int64_t kSize = 64;
constexpr int kRounds = 20000;

using Clock = std::chrono::steady_clock;

// ONNX Runtime alone, with everything prepared that can be.
class Bare {
 public:
  Bare(float* x, float* y) : library_(layoutrt::ort::open_library(nullptr)), api_(library_.api) {
    OrtSessionOptions* options = nullptr;
    check(api_.CreateSessionOptions(&options));
    check(api_.SetIntraOpNumThreads(options, 1));
    check(api_.CreateSessionFromArray(library_.env, kModel.data(), kModel.size(), options, &session_));
    api_.ReleaseSessionOptions(options);
    OrtMemoryInfo* memory = nullptr;
    check(api_.CreateCpuMemoryInfo(0, 0, &memory));
    const size_t bytes = kSize * sizeof(float);
    check(api_.CreateTensorWithDataAsOrtValue(memory, x, bytes, &kSize, 1, layoutrt::ort::kFloat, &x_));
    check(api_.CreateTensorWithDataAsOrtValue(memory, y, bytes, &kSize, 1, layoutrt::ort::kFloat, &y_));
    api_.ReleaseMemoryInfo(memory);
  }
  ~Bare() {
    api_.ReleaseValue(x_);
    api_.ReleaseValue(y_);
    api_.ReleaseSession(session_);
  }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  void run() {
    const char* const input = "x";
    const char* const output = "y";
    check(api_.Run(session_, nullptr, &input, &x_, 1, &output, 1, &y_));
  }

 private:
  void check(OrtStatus* status) const { layoutrt::ort::check(api_, status); }

  const layoutrt::ort::Library& library_;
  const layoutrt::ort::Functions& api_;
  OrtSession* session_ = nullptr;
  OrtValue* x_ = nullptr;
  OrtValue* y_ = nullptr;
};

struct Way {
  const char* name;
  std::function<void()> run;
  std::vector<double> microseconds{};
  long allocations = 0;
};

void measure() {
  std::vector<float> x(kSize, 1), y(kSize), padded(2 * kSize, 1);
  Bare bare(x.data(), y.data());
  lrt_session_options options = layoutrt::default_options();
  options.threads = 1;
  layoutrt::Session session(kModel.data(), kModel.size(), options);
  const auto tensor = [](const char* name, std::vector<float>& data) {
    return layoutrt::tensor(name, {kSize}, data.data(), LRT_FLOAT32, sizeof(float));
  };
  const std::vector<lrt_tensor> inputs{tensor("x", x)};
  std::vector<lrt_tensor> strided{tensor("x", padded)};
  strided[0].strides[0] = 2 * sizeof(float);
  strided[0].size_bytes = padded.size() * sizeof(float);
  std::vector<lrt_tensor> outputs{tensor("y", y)};

  std::vector<Way> ways{
      {"ONNX Runtime's Run", [&] { bare.run(); }},
      {"lrt_session_run", [&] { session.run(inputs, outputs); }},
      {"lrt_session_run, strided input", [&] { session.run(strided, outputs); }},
      {"lrt_session_run_async and wait", [&] { session.wait(session.run_async(inputs, outputs)); }},
  };
  for (Way& way : ways) way.microseconds.reserve(kRounds);
  for (int round = -100; round < kRounds; ++round) {
    for (Way& way : ways) {
      const long before = allocations;
      const auto start = Clock::now();
      way.run();
      const std::chrono::duration<double, std::micro> spent = Clock::now() - start;
      if (round < 0) continue;
      way.microseconds.push_back(spent.count());
      way.allocations += allocations - before;
    }
  }
  double bare_median = 0;
  double bare_best = 0;
  std::printf("%-32s %9s %9s %22s %12s\n", "us per call", "minimum", "median", "beyond Run (min/med)",
              "allocations");
  for (Way& way : ways) {
    std::sort(way.microseconds.begin(), way.microseconds.end());
    const double best = way.microseconds.front();
    const double median = way.microseconds[way.microseconds.size() / 2];
    if (&way == &ways.front()) {
      bare_best = best;
      bare_median = median;
    }
    std::printf("%-32s %9.2f %9.2f %14.2f / %5.2f %12.2f\n", way.name, best, median, best - bare_best,
                median - bare_median, double(way.allocations) / kRounds);
  }
}

}  // namespace

int main() {
  try {
    measure();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
