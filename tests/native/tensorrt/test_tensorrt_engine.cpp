// Engines behind the C API, on the toy TensorRT and the tests' CUDA runtime; the operator library lies beside
// liblayoutrt.so:
//
//   test_tensorrt_engine libnvinfer.so.N SCRATCH_FOLDER

#include <thread>

#include "engine_test.h"

namespace {

using namespace engine_test;

void an_engine_is_described_as_any_model() {
  fresh();
  const layoutrt::Session session(write({}));
  const lrt_session_info info = session.info();
  EXPECT(info.input_count == 2 && info.output_count == 1);
  EXPECT(std::string(info.inputs[0].name) == "labels" && info.inputs[0].dtype == LRT_UINT8);
  EXPECT(info.inputs[0].rank == 3 && info.inputs[0].dims[1] == -1);
  EXPECT(info.inputs[1].dtype == LRT_FLOAT32 && info.inputs[1].dims[1] == 4);
  EXPECT(info.outputs[0].rank == 4 && info.outputs[0].dims[3] == 3);
  EXPECT(std::string(info.backend) == "TensorRT " + kVersion + ", Test GPU (8.7), CUDA graph");
  EXPECT(session.metadata("maker") == "test");
  EXPECT(lrt_has_tensorrt() == 1);
}

void the_second_run_of_a_shape_is_captured_and_later_ones_launch_the_graph() {
  fresh();
  layoutrt::Session session(write({}));
  Images small(16, 16), large(32, 24, 5);
  fresh();
  for (int i = 0; i < 4; ++i) {
    run(session, small);
    EXPECT(small.right());
  }
  EXPECT(fake_cuda::count("cudaGraphInstantiateWithFlags") == 1);
  EXPECT(fake_cuda::count("cudaGraphLaunch") == 3);
  EXPECT(toy_count("enqueueV3") == 2);  // to warm up, and to capture
  EXPECT(toy_count("createExecutionContext") == 0);

  fresh();
  for (int i = 0; i < 3; ++i) {
    run(session, large);
    EXPECT(large.right());
    run(session, small);
    EXPECT(small.right());
  }
  // Another shape has a context and a graph of its own, and the first one keeps its.
  EXPECT(toy_count("createExecutionContext") == 1);
  EXPECT(fake_cuda::count("cudaGraphInstantiateWithFlags") == 1);
  EXPECT(fake_cuda::count("cudaGraphLaunch") == 5);
}

void shapes_beyond_four_take_the_place_of_those_used_longest_ago() {
  fresh();
  layoutrt::Session session(write({}));
  for (int round = 0; round < 2; ++round) {
    for (const int64_t size : {8, 9, 10, 11, 12, 13}) {
      Images images(size, size);
      run(session, images);
      EXPECT(images.right());
    }
  }
  EXPECT(toy_count("createExecutionContext") == 4);
  Images last(13, 13);
  fresh();
  run(session, last);
  run(session, last);
  EXPECT(last.right() && fake_cuda::count("cudaGraphLaunch") == 2);
}

void a_run_allocates_nothing_and_copies_from_page_locked_memory() {
  fresh();
  layoutrt::Session session(write({}));
  Images images(16, 16);
  run(session, images);
  run(session, images);
  fresh();
  for (int i = 0; i < 3; ++i) run(session, images);
  for (const char* function :
       {"cudaMalloc", "cudaHostAlloc", "cudaFree", "cudaFreeHost", "cudaStreamSynchronize",
        "cudaEventCreateWithFlags", "cudaStreamCreateWithFlags"}) {
    EXPECT_THAT(fake_cuda::count(function) == 0, function);
  }
  EXPECT(fake_cuda::pageable_copies() == 0);
  EXPECT(fake_cuda::count("cudaMemcpyAsync") == 3 * 3);
  EXPECT(fake_cuda::count("cudaEventSynchronize") == 3);
}

void an_output_without_memory_is_in_the_sessions() {
  fresh();
  layoutrt::Session session(write({}));
  Images images(8, 16);
  const auto outputs = session.run(images.inputs(), {output("image")});
  EXPECT(outputs[0].dtype == LRT_UINT8 && outputs[0].rank == 4 && outputs[0].dims[2] == 16);
  EXPECT(outputs[0].size_bytes == images.wanted.size());
  EXPECT(std::memcmp(outputs[0].data, images.wanted.data(), images.wanted.size()) == 0);
}

void times_are_those_of_the_gpu() {
  fresh();
  layoutrt::Session session(write({}));
  Images images(16, 16);
  for (int i = 0; i < 3; ++i) run(session, images);
  const lrt_timings timings = session.timings();
  EXPECT(timings.runs == 3);
  EXPECT(timings.last.engine_ms == 2);  // of the tests' clock
  // What comes on top took part of the run's own time, on the machine's clock.
  const double most = timings.last.total_ms;
  EXPECT(timings.last.copy_in_ms >= 0.5 && timings.last.copy_in_ms <= 0.5 + most);
  EXPECT(timings.last.copy_out_ms >= 0.25 && timings.last.copy_out_ms <= 0.25 + most);
  EXPECT(timings.sum.engine_ms == 6);
}

void runs_may_come_from_any_thread() {
  fresh();
  layoutrt::Session session(write({}));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&session, t] {
      Images images(8 + t, 16, t);
      for (int i = 0; i < 20; ++i) {
        run(session, images);
        EXPECT(images.right());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Images images(16, 16);
  const auto inputs = images.inputs();
  EXPECT(session.wait(session.run_async(inputs, images.outputs())));
  EXPECT(images.right());
}

void a_session_stays_on_the_device_that_was_current() {
  fresh();
  layoutrt::Session session(write({}));
  Images images(16, 16);
  cudaSetDevice(1);
  for (int i = 0; i < 3; ++i) {
    run(session, images);
    EXPECT(images.right());
  }
  int device = 0;
  cudaGetDevice(&device);
  EXPECT(device == 1);
  cudaSetDevice(0);
}

void a_session_gives_back_all_it_took() {
  fresh();
  const long before = fake_cuda::live();
  {
    layoutrt::Session session(write({}));
    Images images(16, 16);
    for (int i = 0; i < 3; ++i) run(session, images);
  }
  EXPECT(fake_cuda::live() == before);
  fake_cuda::fail("cudaHostAlloc", cudaErrorMemoryAllocation, 1);
  EXPECT_OPEN_REFUSED(LRT_OUT_OF_MEMORY, "no memory left to allocate", toy::Engine{});
  EXPECT(fake_cuda::live() == before);
}

void an_engine_that_cannot_be_captured_runs_all_the_same() {
  fresh();
  layoutrt::Session session(write({}));
  Images images(16, 16);
  run(session, images);
  fake_cuda::fail("cudaStreamEndCapture", cudaErrorStreamCaptureInvalidated);
  for (int i = 0; i < 3; ++i) {
    run(session, images);
    EXPECT(images.right());
  }
  EXPECT(fake_cuda::count("cudaGraphLaunch") == 0);
  EXPECT(fake_cuda::count("cudaStreamBeginCapture") == 1);
}

void the_profile_is_chosen_by_the_shape() {
  toy::Engine engine;
  engine.text =
      "input labels 5 -1 -1 -1\nprofile 1 8 8 1 16 16 1 16 16\nprofile 1 8 8 1 32 32 1 64 64\n"
      "output image 5 -1 -1 -1 3\nmemory 64\n";
  fresh();
  layoutrt::Session session(write(engine));
  fresh();
  for (const int64_t size : {16, 32, 64, 8}) {
    Images images(size, size);
    for (uint8_t& value : images.wanted) value = static_cast<uint8_t>(value - 2);  // there is no z
    auto outputs = images.outputs();
    session.run({images.inputs()[0]}, outputs);
    EXPECT(images.right());
  }
  EXPECT(toy_count("setOptimizationProfileAsync") > 0);
  Images images(65, 64);
  EXPECT_REFUSED(
      LRT_INVALID_ARGUMENT,
      "input 'labels' is [1, 65, 64], and the engine takes [1, 8, 8] to [1, 16, 16], or [1, 8, 8] to "
      "[1, 64, 64]; build one for this size with: layoutrt build-engine --min HxW --opt HxW --max HxW",
      session.run({images.inputs()[0]}, {output("image")}));
}

void a_profile_that_was_tuned_for_the_shape_comes_first() {
  toy::Engine engine;
  engine.text =
      "input labels 5 -1 -1 -1\nprofile 1 8 8 1 16 16 1 64 64\nprofile 1 8 8 1 32 32 1 64 64\n"
      "output image 5 -1 -1 -1 3\nmemory 64\n";
  fresh();
  layoutrt::Session session(write(engine));
  const auto profiles_set = [&](int64_t size) {
    toy_reset();
    Images images(size, size);
    session.run({images.inputs()[0]}, {output("image")});
    return toy_count("setOptimizationProfileAsync");
  };
  EXPECT(profiles_set(16) == 1);  // back from the last, for whose sizes memory was allocated
  EXPECT(profiles_set(32) == 1);  // in a new context, which starts with the first
  EXPECT(profiles_set(24) == 0);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 || !open_toy(arguments[1])) return 2;
  folder = arguments[2];
  an_engine_is_described_as_any_model();
  the_second_run_of_a_shape_is_captured_and_later_ones_launch_the_graph();
  shapes_beyond_four_take_the_place_of_those_used_longest_ago();
  a_run_allocates_nothing_and_copies_from_page_locked_memory();
  an_output_without_memory_is_in_the_sessions();
  times_are_those_of_the_gpu();
  runs_may_come_from_any_thread();
  a_session_stays_on_the_device_that_was_current();
  a_session_gives_back_all_it_took();
  an_engine_that_cannot_be_captured_runs_all_the_same();
  the_profile_is_chosen_by_the_shape();
  a_profile_that_was_tuned_for_the_shape_comes_first();
  EXPECT(toy_count("loadLibrary") == 1);  // for all sessions
  return layoutrt::test::summary();
}
