// Names and sizes of element types.
#pragma once

#include <cstddef>

#include "layoutrt/layoutrt.h"

namespace layoutrt {

struct DtypeTraits {
  const char* name;
  size_t bytes;
};

// bytes is 0 for a type that the API does not carry.
inline DtypeTraits traits(lrt_dtype dtype) {
  switch (dtype) {
    case LRT_FLOAT32: return {"float32", 4};
    case LRT_UINT8: return {"uint8", 1};
    case LRT_INT8: return {"int8", 1};
    case LRT_UINT16: return {"uint16", 2};
    case LRT_INT16: return {"int16", 2};
    case LRT_INT32: return {"int32", 4};
    case LRT_INT64: return {"int64", 8};
    case LRT_BOOL: return {"bool", 1};
    case LRT_FLOAT16: return {"float16", 2};
    case LRT_FLOAT64: return {"float64", 8};
    case LRT_UINT32: return {"uint32", 4};
    case LRT_UINT64: return {"uint64", 8};
    case LRT_UNDEFINED: break;
  }
  return {"undefined", 0};
}

}  // namespace layoutrt
