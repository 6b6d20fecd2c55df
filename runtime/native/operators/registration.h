// The operators of the domain "layoutrt", for any ONNX Runtime of the process.
#pragma once

#include "onnxruntime/abi.h"

namespace layoutrt::operators {

// Add the operators to a session's options. Throws Error.
void add_to(OrtSessionOptions* options, const OrtApi* api);

}  // namespace layoutrt::operators
