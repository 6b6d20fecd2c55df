#include "session/request.h"

#include <cstring>
#include <limits>

#include "dtype.h"
#include "error.h"
#include "session/strides.h"

namespace layoutrt {
namespace {

// Sentences are put together only once something is wrong: a run that succeeds allocates nothing here.
[[noreturn]] void refuse(const std::string& sentence) { throw Error(LRT_INVALID_ARGUMENT, sentence); }

std::string quoted(const char* kind, const char* name) { return std::string(kind) + " '" + name + "'"; }

std::string describe(lrt_dtype dtype, const int64_t* dims, int32_t rank) {
  std::string text = std::string(traits(dtype).name) + " [";
  for (int32_t i = 0; i < rank; ++i) {
    if (i > 0) text += ", ";
    text += dims[i] < 0 ? "?" : std::to_string(dims[i]);
  }
  return text + "]";
}

size_t find(const std::vector<lrt_tensor_info>& infos, const char* kind, const lrt_tensor& tensor) {
  if (tensor.name == nullptr) refuse(std::string("an ") + kind + " has no name");
  for (size_t i = 0; i < infos.size(); ++i) {
    if (std::strcmp(infos[i].name, tensor.name) == 0) return i;
  }
  std::string names;
  for (const lrt_tensor_info& info : infos) {
    names += (names.empty() ? "'" : ", '") + std::string(info.name) + "'";
  }
  refuse(std::string("the model has no ") + kind + " '" + tensor.name + "'; it has " + names);
}

void check_fits(const lrt_tensor_info& info, const char* kind, const lrt_tensor& tensor) {
  if (tensor.rank < 0 || tensor.rank > LRT_MAX_RANK) {
    refuse(quoted(kind, info.name) + " has a rank of " + std::to_string(tensor.rank) + "; it may be 0 to 8");
  }
  bool fits = tensor.dtype == info.dtype && tensor.rank == info.rank;
  for (int32_t i = 0; fits && i < info.rank; ++i) {
    fits = tensor.dims[i] >= 0 && (info.dims[i] < 0 || info.dims[i] == tensor.dims[i]);
  }
  if (!fits) {
    refuse(quoted(kind, info.name) + " must be " + describe(info.dtype, info.dims, info.rank) + ", got " +
           describe(tensor.dtype, tensor.dims, tensor.rank));
  }
  size_t bytes = traits(tensor.dtype).bytes;
  for (int32_t i = 0; i < tensor.rank; ++i) {
    const auto dim = static_cast<size_t>(tensor.dims[i]);
    if (dim != 0 && bytes > std::numeric_limits<int64_t>::max() / dim) {
      refuse(quoted(kind, info.name) + " is too large");
    }
    bytes *= dim;
  }
  if (has_strides(tensor)) {
    if (const char* error = find_stride_error(tensor)) refuse(quoted(kind, info.name) + " " + error);
  } else if (tensor.size_bytes != bytes) {
    refuse(quoted(kind, info.name) + " " + describe(tensor.dtype, tensor.dims, tensor.rank) + " has " +
           std::to_string(bytes) + " bytes, got a buffer of " + std::to_string(tensor.size_bytes));
  }
}

}  // namespace

void check_inputs(const std::vector<lrt_tensor_info>& infos, const lrt_tensor* inputs, size_t count,
                  std::vector<lrt_tensor>* checked) {
  if (count > 0 && inputs == nullptr) refuse("inputs is NULL");
  checked->assign(infos.size(), lrt_tensor{});
  for (size_t i = 0; i < count; ++i) {
    const size_t index = find(infos, "input", inputs[i]);
    lrt_tensor& tensor = (*checked)[index];
    if (tensor.name != nullptr) refuse(quoted("input", tensor.name) + " is given twice");
    check_fits(infos[index], "input", inputs[i]);
    tensor = inputs[i];
    tensor.name = infos[index].name;
    if (tensor.data == nullptr && contiguous_bytes(tensor) > 0) {
      refuse(quoted("input", tensor.name) + " has no data");
    }
  }
  for (size_t i = 0; i < infos.size(); ++i) {
    if ((*checked)[i].name == nullptr) {
      refuse(quoted("input", infos[i].name) + " is missing; it is " +
             describe(infos[i].dtype, infos[i].dims, infos[i].rank));
    }
  }
}

void check_outputs(const std::vector<lrt_tensor_info>& infos, const lrt_tensor* outputs, size_t count,
                   std::vector<lrt_tensor>* checked) {
  if (count == 0 || outputs == nullptr) refuse("no output was asked for");
  checked->clear();
  for (size_t i = 0; i < count; ++i) {
    const lrt_tensor_info& info = infos[find(infos, "output", outputs[i])];
    for (const lrt_tensor& other : *checked) {
      if (other.name == info.name) refuse(quoted("output", info.name) + " is asked for twice");
    }
    lrt_tensor tensor{};
    if (outputs[i].data != nullptr) {
      check_fits(info, "output", outputs[i]);
      tensor = outputs[i];
    }
    tensor.name = info.name;
    checked->push_back(tensor);
  }
}

size_t contiguous_bytes(const lrt_tensor& tensor) {
  size_t bytes = traits(tensor.dtype).bytes;
  for (int32_t i = 0; i < tensor.rank; ++i) bytes *= static_cast<size_t>(tensor.dims[i]);
  return bytes;
}

}  // namespace layoutrt
