// Inputs of a run, checked against the model before an engine sees it.
#pragma once

#include <string>
#include <vector>

#include "layoutrt/layoutrt.h"

namespace layoutrt {

// The checked tensors are copies that point to the caller's memory. Kept between runs, the lists keep theirs.
struct Request {
  // Part of a split model that is run; any other model is always run whole.
  enum class Part { kWhole, kLayout, kRender };

  Part part = Part::kWhole;
  std::vector<lrt_tensor> inputs;   // in the order of the model
  std::vector<lrt_tensor> outputs;  // those asked for, in the order of the caller
};

// Each throws Error with LRT_INVALID_ARGUMENT. Names of the result are those of `infos`.
//
// `inputs` must be all of the model's, once each, with data.
void check_inputs(const std::vector<lrt_tensor_info>& infos, const lrt_tensor* inputs, size_t count,
                  std::vector<lrt_tensor>* checked);
// At least one, none twice. Those without data have only their name.
void check_outputs(const std::vector<lrt_tensor_info>& infos, const lrt_tensor* outputs, size_t count,
                   std::vector<lrt_tensor>* checked);

// Bytes of a checked tensor without gaps.
size_t contiguous_bytes(const lrt_tensor& tensor);

}  // namespace layoutrt
