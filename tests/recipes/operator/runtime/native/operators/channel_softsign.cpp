#include "operators/channel_softsign.h"

#include "kernels/kernels.h"

namespace layoutrt::operators {

void ChannelSoftsign::compute(const KernelContext& context) const {
  const Tensor x = context.input(0);
  const Tensor scale = context.input(1);
  require_shape(kName, "x", "[N, C, H, W]", {-1, -1, -1, -1}, x.shape);
  require_shape(kName, "scale", "[C]", {x.shape[1]}, scale.shape);
  float* y = context.output(x.shape);
  if (element_count(x.shape) == 0) return;
  const kernels::ChannelSoftsign op{x.as<float>(), scale.as<float>(), y, x.shape[1], x.shape[2] * x.shape[3]};
  const auto& table = kernels::kernel_table();
  context.parallel_for(x.shape[0] * x.shape[1], [&](int64_t plane) { table.channel_softsign(op, plane); });
}

}  // namespace layoutrt::operators
