#include "operators/affine.h"

#include "error.h"

namespace layoutrt::operators {

Affine read_affine(const KernelContext& context, const char* op, size_t index, int64_t channels) {
  const bool has_scale = context.has_input(index);
  if (has_scale != context.has_input(index + 1)) {
    throw Error(LRT_INVALID_ARGUMENT,
                std::string(op) + ": scale and shift must both be given or both be absent");
  }
  if (!has_scale) return {};
  const Tensor scale = context.input(index);
  const Tensor shift = context.input(index + 1);
  require_shape(op, "scale", "[C]", {channels}, scale.shape);
  require_shape(op, "shift", "[C]", {channels}, shift.shape);
  return {scale.as<float>(), shift.as<float>()};
}

}  // namespace layoutrt::operators
