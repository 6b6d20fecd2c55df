// Training calls fail in two ways only.
#pragma once

#include <new>

#include "c_api/api_guard.h"
#include "error.h"
#include "kernels/kernels.h"
#include "layoutrt/layoutrt.h"

namespace layoutrt::training {

// LRT_OUT_OF_MEMORY, or where LAYOUTRT_ISA is refused LRT_INVALID_ARGUMENT with a sentence for
// lrt_last_error().
template <class Body>
lrt_status guarded(const Body& body) noexcept {
  try {
    kernels::kernel_table();
    body();
    return LRT_OK;
  } catch (const Error& error) {
    return fail(error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return LRT_OUT_OF_MEMORY;
  }
}

}  // namespace layoutrt::training
