// Training calls fail in one way only.
#pragma once

#include <new>

#include "layoutrt/layoutrt.h"

namespace layoutrt::training {

template <class Body>
lrt_status guarded(const Body& body) noexcept {
  try {
    body();
    return LRT_OK;
  } catch (const std::bad_alloc&) {
    return LRT_OUT_OF_MEMORY;
  }
}

}  // namespace layoutrt::training
