// Runs on device memory, on the toy TensorRT and the tests' CUDA runtime; the operator library lies beside
// liblayoutrt.so:
//
//   test_tensorrt_device libnvinfer.so.N SCRATCH_FOLDER

#include "engine_test.h"

namespace {

using namespace engine_test;

// Device memory with a tensor's bytes.
struct OnDevice {
  explicit OnDevice(const lrt_tensor& host) : described(host) {
    cudaMalloc(&described.data, host.size_bytes);
    cudaMemcpy(described.data, host.data, host.size_bytes, cudaMemcpyHostToDevice);
    cudaStreamSynchronize(nullptr);
  }
  OnDevice(const OnDevice&) = delete;
  ~OnDevice() { cudaFree(described.data); }
  lrt_tensor described;
};

void runs_on_device_memory_are_enqueued_on_the_callers_stream() {
  fresh();
  layoutrt::Session session(write({}));
  Images images(16, 16);
  const auto inputs = images.inputs();
  const OnDevice labels(inputs[0]), z(inputs[1]), image(images.outputs()[0]);
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  fresh();
  for (int i = 0; i < 3; ++i) {
    std::memset(image.described.data, 0, images.image.size());
    session.run_device({labels.described, z.described}, {image.described}, stream);
    EXPECT(std::memcmp(image.described.data, images.wanted.data(), images.wanted.size()) != 0);  // not yet
    cudaStreamSynchronize(stream);
    EXPECT(std::memcmp(image.described.data, images.wanted.data(), images.wanted.size()) == 0);
  }
  EXPECT(fake_cuda::count("cudaStreamSynchronize") == 3 && fake_cuda::count("cudaEventSynchronize") == 0);
  EXPECT(fake_cuda::count("cudaMemcpyAsync") == 0 && fake_cuda::count("cudaGraphLaunch") == 2);
  const lrt_stage_times last = session.timings().last;
  EXPECT(last.total_ms > 0 && last.engine_ms == 0);

  // A run that follows waits for one that is still on a stream: they share memory.
  run(session, images);
  std::memset(image.described.data, 0, images.image.size());
  session.run_device({labels.described, z.described}, {image.described}, stream);
  run(session, images);
  EXPECT(images.right());
  EXPECT(std::memcmp(image.described.data, images.wanted.data(), images.wanted.size()) == 0);

  // Where the host's memory is mapped for the GPU is where the GPU writes.
  void* locked = nullptr;
  cudaHostAlloc(&locked, images.image.size(), cudaHostAllocMapped);
  fake_cuda::map_host(locked, image.described.data);
  lrt_tensor mapped = image.described;
  mapped.data = locked;
  std::memset(image.described.data, 0, images.image.size());
  session.run_device({labels.described, z.described}, {mapped}, stream);
  cudaStreamSynchronize(stream);
  EXPECT(std::memcmp(image.described.data, images.wanted.data(), images.wanted.size()) == 0);

  const auto refuse = [&](const char* sentence, lrt_tensor input, lrt_tensor result) {
    EXPECT_REFUSED(LRT_INVALID_ARGUMENT, sentence,
                   session.run_device({input, z.described}, {result}, stream));
  };
  refuse("input 'labels' is not in memory that the GPU reaches", inputs[0], image.described);
  fake_cuda::map_host(locked, nullptr);
  refuse("output 'image' is not in memory that the GPU reaches", labels.described, mapped);
  cudaFreeHost(locked);
  cudaSetDevice(1);
  const OnDevice elsewhere(inputs[0]);
  cudaSetDevice(0);
  refuse("input 'labels' is in the memory of GPU 1 and the session runs on GPU 0", elsewhere.described,
         image.described);
  lrt_tensor odd = image.described;
  odd.data = static_cast<char*>(odd.data) + 16;
  refuse("output 'image' must start at a multiple of 256 bytes", labels.described, odd);
  refuse("output 'image' has no data", labels.described, output("image"));
  lrt_tensor strided = labels.described;
  for (const int64_t stride : {256, 16, 1})
    strided.strides[stride == 256 ? 0 : stride == 16 ? 1 : 2] = stride;
  refuse("has strides", strided, image.described);
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  refuse("the stream is being captured", labels.described, image.described);
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(stream, &graph);
  cudaGraphDestroy(graph);

  // The session ends only after its last run has.
  session.run_device({labels.described, z.described}, {image.described}, stream);
  {
    const layoutrt::Session ended = std::move(session);
  }
  cudaStreamSynchronize(stream);
  cudaStreamDestroy(stream);
}

void only_a_fifth_set_of_buffers_waits() {
  fresh();
  layoutrt::Session session(write({}));
  Images images(16, 16);
  const auto inputs = images.inputs();
  const OnDevice labels(inputs[0]), z(inputs[1]);
  const OnDevice results[] = {OnDevice(images.outputs()[0]), OnDevice(images.outputs()[0]),
                              OnDevice(images.outputs()[0]), OnDevice(images.outputs()[0]),
                              OnDevice(images.outputs()[0])};
  fresh();
  for (const OnDevice& result : results) {
    EXPECT(fake_cuda::count("cudaEventSynchronize") == 0);
    session.run_device({labels.described, z.described}, {result.described}, nullptr);
  }
  EXPECT(fake_cuda::count("cudaEventSynchronize") == 1);
  cudaStreamSynchronize(nullptr);
  for (const OnDevice& result : results) {
    EXPECT(std::memcmp(result.described.data, images.wanted.data(), images.wanted.size()) == 0);
  }
}

void a_profile_is_selected_before_any_stream_runs_with_it() {
  toy::Engine engine;
  engine.text =
      "input labels 5 -1 -1 -1\nprofile 1 8 8 1 16 16 1 16 16\nprofile 1 8 8 1 32 32 1 64 64\n"
      "output image 5 -1 -1 -1 3\nmemory 64\n";
  fresh();
  layoutrt::Session session(write(engine));
  Images images(32, 32), small(16, 16);
  session.run({small.inputs()[0]}, {output("image")});
  for (uint8_t& value : images.wanted) value = static_cast<uint8_t>(value - 2);
  const OnDevice labels(images.inputs()[0]), image(images.outputs()[0]);
  cudaStream_t streams[2];
  for (cudaStream_t& stream : streams) cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  // The first run gets as far as to selecting the profile.
  lrt_tensor wrong = image.described;
  wrong.dims[2] = 16;
  wrong.size_bytes /= 2;
  EXPECT_REFUSED(LRT_INVALID_ARGUMENT, "got memory for [1, 32, 16, 3]",
                 session.run_device({labels.described}, {wrong}, streams[0]));
  session.run_device({labels.described}, {image.described}, streams[1]);
  cudaStreamSynchronize(streams[1]);
  EXPECT(std::memcmp(image.described.data, images.wanted.data(), images.wanted.size()) == 0);
  for (cudaStream_t stream : streams) cudaStreamDestroy(stream);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 || !open_toy(arguments[1])) return 2;
  folder = arguments[2];
  runs_on_device_memory_are_enqueued_on_the_callers_stream();
  only_a_fifth_set_of_buffers_waits();
  a_profile_is_selected_before_any_stream_runs_with_it();
  return layoutrt::test::summary();
}
