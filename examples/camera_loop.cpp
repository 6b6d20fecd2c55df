// Segments the frames of a camera and renders the layouts anew, and says how fast.
//
//   camera_loop camvid-seg.onnx camvid-edge.onnx [--frames N] [--size HxW] [--stdin] [--out LAST.ppm]
//
// Frames come from a moving pattern, or with --stdin as raw RGB24 from a pipe:
//   ffmpeg -i /dev/video0 -f rawvideo -pix_fmt rgb24 -s 256x192 - | camera_loop ... --stdin --size 192x256
// Where ONNX Runtime is comes from the environment variable LAYOUTRT_ONNXRUNTIME.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <layoutrt/layoutrt.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string segmenter;
  std::string generator;
  int frames = 100;
  int height = 192;
  int width = 256;
  bool from_stdin = false;
  std::string out;
};

Options parse(int argc, char** argv) {
  Options options;
  std::vector<std::string> models;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&] {
      if (i + 1 == argc) throw std::invalid_argument(argument + " needs a value");
      return std::string(argv[++i]);
    };
    if (argument == "--frames") {
      options.frames = std::max(std::atoi(value().c_str()), 1);
    } else if (argument == "--size") {
      if (std::sscanf(value().c_str(), "%dx%d", &options.height, &options.width) != 2 || options.height < 1 ||
          options.width < 1) {
        throw std::invalid_argument("--size is written HEIGHTxWIDTH, such as 192x256");
      }
    } else if (argument == "--stdin") {
      options.from_stdin = true;
    } else if (argument == "--out") {
      options.out = value();
    } else {
      models.push_back(argument);
    }
  }
  if (models.size() != 2) throw std::invalid_argument("give a segmenter and a generator");
  options.segmenter = models[0];
  options.generator = models[1];
  return options;
}

// A frame as cameras hand it over: rows are padded, so they start `pitch` bytes apart.
class Frame {
 public:
  Frame(int height, int width)
      : height_(height), width_(width), pitch_((width * 3 + 63) / 64 * 64), bytes_(size_t(height) * pitch_) {}

  // False: there are no more.
  bool read(std::FILE* file) {
    for (int y = 0; y < height_; ++y) {
      if (std::fread(row(y), 3, size_t(width_), file) != size_t(width_)) return false;
    }
    return true;
  }

  void draw_pattern(int number) {
    for (int y = 0; y < height_; ++y) {
      unsigned char* pixel = row(y);
      for (int x = 0; x < width_; ++x, pixel += 3) {
        const bool ground = y > height_ / 2;
        const bool stripe = (x + 4 * number) / 24 % 2 == 0;
        pixel[0] = static_cast<unsigned char>(ground ? 90 : stripe ? 140 : 120);
        pixel[1] = static_cast<unsigned char>(ground ? 90 : stripe ? 110 : 160);
        pixel[2] = static_cast<unsigned char>(ground ? 95 : 200 - 100 * y / height_);
      }
    }
  }

  lrt_tensor tensor() {
    lrt_tensor made = layoutrt::tensor("frame", {1, height_, width_, 3}, bytes_.data());
    made.size_bytes = bytes_.size();
    const int64_t strides[] = {int64_t(bytes_.size()), pitch_, 3, 1};
    std::copy(std::begin(strides), std::end(strides), made.strides);
    return made;
  }

 private:
  unsigned char* row(int y) { return bytes_.data() + size_t(y) * size_t(pitch_); }

  int height_, width_, pitch_;
  std::vector<unsigned char> bytes_;
};

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void print_percentiles(const char* stage, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](size_t percent) { return times[(times.size() - 1) * percent / 100]; };
  std::printf("%-12s p50 %7.2f ms   p95 %7.2f ms   max %7.2f ms\n", stage, at(50), at(95), times.back());
}

void check_same_labels(const layoutrt::Session& segmenter, const layoutrt::Session& generator) {
  const lrt_label_set written = segmenter.label_set();
  const lrt_label_set read = generator.label_set();
  if (std::strcmp(written.name, read.name) != 0) {
    throw std::invalid_argument(std::string("the segmenter writes labels of '") + written.name +
                                "', the generator reads those of '" + read.name + "'");
  }
}

void write_ppm(const std::string& path, int height, int width, const std::vector<unsigned char>& image) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw std::runtime_error("cannot write " + path);
  std::fprintf(file, "P6\n%d %d\n255\n", width, height);
  const bool whole = std::fwrite(image.data(), 1, image.size(), file) == image.size();
  if (std::fclose(file) != 0 || !whole) throw std::runtime_error("cannot write " + path);
}

void loop(const Options& options) {
  layoutrt::Session segmenter(options.segmenter);
  layoutrt::Session generator(options.generator);
  check_same_labels(segmenter, generator);
  std::printf("%s\n", generator.info().backend);

  const int height = options.height;
  const int width = options.width;
  Frame frame(height, width);
  std::vector<unsigned char> labels(size_t(height) * width);
  std::vector<unsigned char> image(labels.size() * 3);
  // Made once: with the same buffers in every run, runs allocate nothing.
  const std::vector<lrt_tensor> frames{frame.tensor()};
  std::vector<lrt_tensor> layouts{layoutrt::tensor("labels", {1, height, width}, labels.data())};
  std::vector<lrt_tensor> images{layoutrt::tensor("image", {1, height, width, 3}, image.data())};
  std::vector<double> segmenting, synthesizing, latencies;

  const auto start = Clock::now();
  while (int(latencies.size()) < options.frames) {
    if (!options.from_stdin) {
      frame.draw_pattern(int(latencies.size()));
    } else if (!frame.read(stdin)) {
      break;
    }
    const auto captured = Clock::now();
    segmenter.run(frames, layouts);
    const auto segmented = Clock::now();
    generator.run(layouts, images);
    const auto done = Clock::now();
    segmenting.push_back(milliseconds(segmented - captured));
    synthesizing.push_back(milliseconds(done - segmented));
    latencies.push_back(milliseconds(done - captured));
  }
  if (latencies.empty()) throw std::runtime_error("there was no whole frame on standard input");
  const double seconds = milliseconds(Clock::now() - start) / 1e3;
  std::printf("%zu frames of %dx%d, %.1f frames/s\n", latencies.size(), height, width,
              double(latencies.size()) / seconds);
  print_percentiles("segment", segmenting);
  print_percentiles("synthesize", synthesizing);
  print_percentiles("latency", latencies);
  if (!options.out.empty()) write_ppm(options.out, height, width, image);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    loop(parse(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
