#include "pipeline/models.h"

#include <cstdio>
#include <cstring>
#include <string>

#include "error.h"
#include "layoutrt/pipeline.h"

namespace layoutrt::pipeline {
namespace {

[[noreturn]] void refuse(const std::string& sentence) { throw Error(LRT_INVALID_ARGUMENT, sentence); }

lrt_session_info read_info(const lrt_session* session) {
  lrt_session_info info{};
  info.struct_size = sizeof(info);
  const lrt_status status = lrt_session_get_info(session, &info);
  if (status != LRT_OK) throw Error(status, lrt_last_error());
  return info;
}

std::string read_metadata(const lrt_session* session, const char* key) {
  const char* value = nullptr;
  return lrt_session_metadata(session, key, &value) == LRT_OK ? value : "";
}

const lrt_tensor_info* find(const lrt_tensor_info* tensors, size_t count, const char* name) {
  for (size_t i = 0; i < count; ++i) {
    if (std::strcmp(tensors[i].name, name) == 0) return &tensors[i];
  }
  return nullptr;
}

// uint8 [N,H,W], or with `channels` [N,H,W,3].
bool is_image(const lrt_tensor_info* tensor, bool channels) {
  if (tensor == nullptr || tensor->dtype != LRT_UINT8 || tensor->rank != (channels ? 4 : 3)) return false;
  const bool single = tensor->dims[0] < 0 || tensor->dims[0] == 1;
  return single && (!channels || tensor->dims[3] == 3 || tensor->dims[3] < 0);
}

std::string names(const lrt_tensor_info* tensors, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += std::string(i > 0 ? ", '" : "'") + tensors[i].name + "'";
  return text.empty() ? "none" : text;
}

struct Role {
  const char* who;
  const char* input;
  const char* input_type;
  bool input_channels;
  const char* output;
  const char* output_type;
  bool output_channels;
};

constexpr Role kSegmenter = {"segmenter", "frame", "uint8 [1,H,W,3]", true, "labels", "uint8 [1,H,W]", false};
constexpr Role kGenerator = {"generator", "labels", "uint8 [1,H,W]", false, "image", "uint8 [1,H,W,3]", true};

// The model's input, after checking that the model plays the role.
const lrt_tensor_info& check_role(const lrt_session_info& info, const Role& role) {
  const lrt_tensor_info* input = find(info.inputs, info.input_count, role.input);
  if (info.input_count != 1 || !is_image(input, role.input_channels)) {
    refuse(std::string("the ") + role.who + " of a pipeline has the one input '" + role.input + "' " +
           role.input_type + ", but this model's inputs are " + names(info.inputs, info.input_count) +
           "; give another model");
  }
  const lrt_tensor_info* output = find(info.outputs, info.output_count, role.output);
  if (!is_image(output, role.output_channels)) {
    refuse(std::string("the ") + role.who + " of a pipeline has the output '" + role.output + "' " +
           role.output_type + ", but this model's outputs are " + names(info.outputs, info.output_count) +
           "; give another model");
  }
  return *input;
}

Size choose_size(const lrt_tensor_info& labels, const std::string& trained, Size wanted) {
  if (wanted.height == 0 && wanted.width == 0) {
    if (labels.dims[1] > 0 && labels.dims[2] > 0) {
      wanted = {static_cast<int32_t>(labels.dims[1]), static_cast<int32_t>(labels.dims[2])};
    } else if (std::sscanf(trained.c_str(), "%5dx%5d", &wanted.height, &wanted.width) != 2) {
      refuse("the generator takes any size and says none; give options->height and options->width");
    }
  }
  const bool possible = wanted.height >= 1 && wanted.width >= 1 && wanted.height <= LRT_PIPELINE_MAX_SIZE &&
                        wanted.width <= LRT_PIPELINE_MAX_SIZE;
  if (!possible) {
    refuse("frames of " + std::to_string(wanted.height) + "x" + std::to_string(wanted.width) +
           " are not possible; give a height and a width of 1 to " + std::to_string(LRT_PIPELINE_MAX_SIZE));
  }
  return wanted;
}

void check_size(const lrt_tensor_info& input, const Role& role, Size size) {
  const auto fits = [](int64_t dim, int32_t wanted) { return dim < 0 || dim == wanted; };
  if (fits(input.dims[1], size.height) && fits(input.dims[2], size.width)) return;
  const auto text = [](int64_t dim) { return dim < 0 ? std::string("any") : std::to_string(dim); };
  refuse(std::string("the ") + role.who + " takes frames of " + text(input.dims[1]) + "x" +
         text(input.dims[2]) + ", not " + std::to_string(size.height) + "x" + std::to_string(size.width) +
         "; export it for the pipeline's size, or give the pipeline its size");
}

// False: the model names none.
bool read_label_set(const lrt_session* session, lrt_label_set* labels) {
  labels->struct_size = sizeof(*labels);
  const lrt_status status = lrt_session_label_set(session, labels);
  if (status != LRT_OK && status != LRT_NOT_FOUND) throw Error(status, lrt_last_error());
  return status == LRT_OK;
}

void check_label_sets(const lrt_session* segmenter, const lrt_session* generator) {
  lrt_label_set written{};
  lrt_label_set read{};
  if (!read_label_set(segmenter, &written) || !read_label_set(generator, &read)) return;
  bool same = written.count == read.count;
  for (size_t i = 0; same && i < read.count; ++i) same = std::strcmp(written.names[i], read.names[i]) == 0;
  if (same) return;
  refuse("the segmenter writes " + std::to_string(written.count) + " labels of '" + written.name +
         "', but the generator reads " + std::to_string(read.count) + " labels of '" + read.name +
         "'; give models of the same label set");
}

}  // namespace

Size fit(const lrt_session* segmenter, const lrt_session* generator, Size wanted) {
  const lrt_tensor_info& labels = check_role(read_info(generator), kGenerator);
  const Size size = choose_size(labels, read_metadata(generator, "layoutrt.size"), wanted);
  check_size(labels, kGenerator, size);
  if (segmenter != nullptr) {
    check_size(check_role(read_info(segmenter), kSegmenter), kSegmenter, size);
    check_label_sets(segmenter, generator);
  }
  return size;
}

bool have_own_processors(const lrt_session* segmenter, const lrt_session* generator) {
  return read_info(segmenter).threads + read_info(generator).threads <= lrt_default_threads();
}

}  // namespace layoutrt::pipeline
