// Whether two sessions make a pipeline.
#pragma once

#include <cstdint>

#include "layoutrt/layoutrt.h"

namespace layoutrt::pipeline {

struct Size {
  int32_t height;
  int32_t width;
};

// The size of a pipeline's frames: `wanted`, or where that is 0x0 the generator's own. Throws Error: the
// sessions are no segmenter (NULL: none) and generator of one label set that work at this size.
Size fit(const lrt_session* segmenter, const lrt_session* generator, Size wanted);

// Whether the processors suffice for both sessions to run at the same time. Models on a GPU, which wait for
// it most of the time, need none.
bool have_own_processors(const lrt_session* segmenter, const lrt_session* generator);

}  // namespace layoutrt::pipeline
