// Runs models on one input each and writes what comes out:
//
//   run_model MODEL INPUT OUTPUT [MODEL INPUT OUTPUT]...
//
// INPUT holds the model's first input, one image; "frame" is uint8 [H,W,3], other inputs uint8 [H,W]. HEIGHT
// and WIDTH come from the environment. OUTPUT gets the bytes of the first output.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "layoutrt/layoutrt.hpp"

int main(int count, char** arguments) try {
  const int64_t height = std::atoi(std::getenv("HEIGHT")), width = std::atoi(std::getenv("WIDTH"));
  for (int i = 1; i + 2 < count; i += 3) {
    std::ifstream file(arguments[i + 1], std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    lrt_session_options options = layoutrt::default_options();
    options.threads = 1;
    layoutrt::Session session(arguments[i], options);
    const lrt_session_info info = session.info();
    const bool frame = std::string(info.inputs[0].name) == "frame";
    const lrt_tensor input = frame
                                 ? layoutrt::tensor(info.inputs[0].name, {1, height, width, 3}, bytes.data())
                                 : layoutrt::tensor(info.inputs[0].name, {1, height, width}, bytes.data());
    const std::vector<lrt_tensor> outputs =
        session.run({input}, std::vector<lrt_tensor>{layoutrt::output(info.outputs[0].name)});
    std::ofstream(arguments[i + 2], std::ios::binary)
        .write(static_cast<const char*>(outputs[0].data),
               static_cast<std::streamsize>(outputs[0].size_bytes));
    std::printf("%s\n", info.backend);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
