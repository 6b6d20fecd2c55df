// ChannelSoftsign: one plane after the other; the compiler makes vectors of it.

#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace layoutrt::kernels::LRT_ISA {

void channel_softsign(const ChannelSoftsign& op, int64_t plane) {
  const float* x = op.x + plane * op.pixels;
  float* y = op.y + plane * op.pixels;
  const float scale = op.scale[plane % op.channels];
  for (int64_t i = 0; i < op.pixels; ++i) y[i] = x[i] / (1.0f + scale * __builtin_fabsf(x[i]));
}

}  // namespace layoutrt::kernels::LRT_ISA
