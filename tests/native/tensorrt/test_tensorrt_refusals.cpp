// What engines are refused for, and in which words:
//
//   test_tensorrt_refusals libnvinfer.so.N OTHER_liblayoutrt_trt.so SCRATCH_FOLDER
//
// OTHER is an operator library of another major version, or "" where there is none; the right one lies beside
// liblayoutrt.so.

#include <cstdio>

#include "engine_test.h"

namespace {

using namespace engine_test;

// While the process has no TensorRT: what is open already is found by its name.
void a_missing_tensorrt_is_said() {
  fake_cuda::reset();
  unsetenv("LAYOUTRT_TENSORRT");
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND,
                      "TensorRT (libnvinfer.so." + std::to_string(NV_TENSORRT_MAJOR) + ") was not found",
                      toy::Engine{});
  setenv("LAYOUTRT_TENSORRT", "absent.so", 1);
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND, "TensorRT could not be opened at 'absent.so'", toy::Engine{});
  setenv("LAYOUTRT_TENSORRT", "libm.so.6", 1);
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND, "the library that was opened is not TensorRT", toy::Engine{});
}

void another_major_version_of_tensorrt_is_refused() {
  setenv("TOY_VERSION", "90300", 1);
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND, "this is TensorRT 9.3.0 and layoutrt was built for TensorRT",
                      toy::Engine{});
  unsetenv("TOY_VERSION");
}

void libraries_that_do_not_fit_are_refused(const std::string& other) {
  fresh();
  if (!other.empty()) {
    setenv("LAYOUTRT_TRT_LIBRARY", other.c_str(), 1);
    EXPECT_OPEN_REFUSED(LRT_NOT_FOUND, "was built for TensorRT ", toy::Engine{});
  }
  setenv("LAYOUTRT_TRT_LIBRARY", "absent.so", 1);
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND, "the operator library absent.so cannot be loaded", toy::Engine{});
  setenv("LAYOUTRT_TRT_LIBRARY", std::getenv("LAYOUTRT_TENSORRT"), 1);
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND, "is not an operator library of layoutrt", toy::Engine{});
  unsetenv("LAYOUTRT_TRT_LIBRARY");  // that beside liblayoutrt.so
}

void what_a_machine_lacks_is_said() {
  fake_cuda::Machine machine;
  machine.devices = 0;
  fresh(machine);
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND, "this process can use no NVIDIA GPU", toy::Engine{});
  machine.driver = 11040;
  fresh(machine);
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND,
                      "the NVIDIA driver is too old: it supports CUDA 11.4 and layoutrt was built with",
                      toy::Engine{});
  machine.driver = 0;
  fresh(machine);
  EXPECT_OPEN_REFUSED(LRT_NOT_FOUND, "this machine has no NVIDIA driver", toy::Engine{});
  fresh();
}

void an_engine_of_another_place_is_refused_before_it_is_loaded() {
  fresh();
  toy::Engine engine;
  engine.tensorrt = "10.0.1";
  EXPECT_OPEN_REFUSED(LRT_INVALID_MODEL, "was built with TensorRT 10.0.1 and this is " + kVersion, engine);
  engine = {};
  engine.compute_capability = "8.9";
  EXPECT_OPEN_REFUSED(LRT_INVALID_MODEL, "was built for compute capability 8.9", engine);
  engine.hardware_compatible = "ampere_plus";
  EXPECT(refused([&] { layoutrt::Session opened(write(engine)); }) == "");
  toy_reset();
  engine = {};
  engine.operator_library = "0.0.9";
  EXPECT_OPEN_REFUSED(LRT_INVALID_MODEL, "the operator library of layoutrt 0.0.9 and this is 0.1.0", engine);
  engine = {};
  engine.metadata = R"("layoutrt.render_file": "m.render.onnx")";
  EXPECT_OPEN_REFUSED(LRT_INVALID_MODEL, "is one half of a model", engine);
  engine = {};
  engine.dla = true;
  EXPECT_OPEN_REFUSED(LRT_INVALID_MODEL, "has none; build it again here without --dla", engine);
  const std::string path = write({});
  const std::string text = toy::Engine{}.text;
  toy::write(path, text.substr(1));
  EXPECT_REFUSED(LRT_INVALID_MODEL, "bytes where its manifest says", layoutrt::Session opened(path));
  toy::write(path, "X" + text.substr(1));
  EXPECT_REFUSED(LRT_INVALID_MODEL, "the SHA-256 differs", layoutrt::Session opened(path));
  std::remove((path + ".json").c_str());
  EXPECT_REFUSED(LRT_NOT_FOUND, "has no manifest m.engine.json beside it", layoutrt::Session opened(path));
  std::remove(path.c_str());
  EXPECT_REFUSED(LRT_NOT_FOUND, "does not exist; build it with", layoutrt::Session opened(path));
  EXPECT(toy_count("deserializeCudaEngine") == 0);
}

void host_code_is_allowed_to_engines_that_are_version_compatible() {
  fresh();
  toy::Engine engine;
  engine.text += "hostcode\n";
  EXPECT_OPEN_REFUSED(LRT_INVALID_MODEL, "host code, which was not allowed", engine);
  engine.version_compatible = true;
  EXPECT(refused([&] { layoutrt::Session opened(write(engine)); }) == "");
}

void what_tensorrt_reports_is_in_the_sentence() {
  fresh();
  toy::Engine engine;
  engine.text = "no engine at all\n";
  EXPECT_OPEN_REFUSED(LRT_INVALID_MODEL, "m.engine: Error Code 1: Serialization", engine);
  toy_fail("deserializeCudaEngine", "Error Code 2: OutOfMemory (Requested size was 1 bytes.)");
  EXPECT_OPEN_REFUSED(LRT_OUT_OF_MEMORY, "the GPU has no memory left to load", toy::Engine{});
  toy_fail("createExecutionContext", "no context");
  EXPECT_OPEN_REFUSED(LRT_RUNTIME_ERROR, "TensorRT could not make an execution context: no context",
                      toy::Engine{});
  fake_cuda::fail("cudaMalloc", cudaErrorMemoryAllocation);
  EXPECT_OPEN_REFUSED(LRT_OUT_OF_MEMORY, "no memory left to allocate 0.0 MB for the engine's activations",
                      toy::Engine{});

  layoutrt::Session session(write({}));
  Images images(16, 16);
  fresh();
  toy_fail("enqueueV3", "Error Code 2: OutOfMemory");
  EXPECT_REFUSED(LRT_OUT_OF_MEMORY, "no memory left to run the engine; close other programs",
                 run(session, images));
  // The copies to it are over, and the context is set up anew.
  EXPECT(fake_cuda::count("cudaStreamSynchronize") > 0);
  toy_reset();
  run(session, images);
  EXPECT(images.right() && toy_count("setInputShape") == 2);
  run(session, images);
  fake_cuda::fail("cudaGraphLaunch", cudaErrorLaunchFailure);
  EXPECT_REFUSED(LRT_RUNTIME_ERROR, "could not launch the engine's CUDA graph: unspecified launch failure",
                 run(session, images));
  run(session, images);
  EXPECT(images.right());
  EXPECT_REFUSED(LRT_INVALID_ARGUMENT,
                 "output 'image' has the shape [1, 16, 16, 3], got memory for [1, 16, 8, 3]",
                 session.run(images.inputs(), {tensor("image", {1, 16, 8, 3}, images.image.data())}));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  folder = arguments[3];
  a_missing_tensorrt_is_said();
  if (!open_toy(arguments[1])) return 2;
  another_major_version_of_tensorrt_is_refused();  // before one is open for good
  libraries_that_do_not_fit_are_refused(arguments[2]);
  what_a_machine_lacks_is_said();
  an_engine_of_another_place_is_refused_before_it_is_loaded();
  host_code_is_allowed_to_engines_that_are_version_compatible();
  what_tensorrt_reports_is_in_the_sentence();
  return layoutrt::test::summary();
}
