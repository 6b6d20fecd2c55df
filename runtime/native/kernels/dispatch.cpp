#include <cstdlib>
#include <cstring>
#ifdef LRT_DOTPROD
#include <sys/auxv.h>
#endif

#include "kernels/kernels.h"

#define LRT_ISA baseline
#include "kernels/isa.h"
#undef LRT_ISA
#ifdef LRT_X86
#define LRT_ISA avx2
#include "kernels/isa.h"
#undef LRT_ISA
#define LRT_ISA avx512
#include "kernels/isa.h"
#undef LRT_ISA
#define LRT_ISA avx512vnni
#include "kernels/isa.h"
#undef LRT_ISA
#endif
#ifdef LRT_DOTPROD
#define LRT_ISA dotprod
#include "kernels/isa.h"
#undef LRT_ISA
#endif

namespace layoutrt::kernels {
namespace {

#define LRT_TABLE(isa, label)                    \
  {label,                                        \
   isa::spatially_varying_conv_scratch,          \
   isa::spatially_varying_conv,                  \
   isa::layout_conv_scratch,                     \
   isa::layout_conv,                             \
   isa::layout_conv_uniform_sums,                \
   isa::predicted_conv_3x3_scratch,              \
   isa::predicted_conv_3x3,                      \
   isa::dot_format,                              \
   isa::quantized_predicted_conv_1x1_scratch,    \
   isa::quantized_predicted_conv_1x1,            \
   isa::quantized_predicted_conv_3x3_scratch,    \
   isa::quantized_predicted_conv_3x3,            \
   isa::quantized_gated_predicted_conv_scratch,  \
   isa::quantized_gated_predicted_conv,          \
   isa::spatially_varying_conv_gradient_scratch, \
   isa::spatially_varying_conv_gradient,         \
   isa::layout_conv_gradient,                    \
   isa::predicted_conv_gradient_scratch,         \
   isa::predicted_conv_gradient,                 \
   isa::predicted_conv_1x1_scratch,              \
   isa::predicted_conv_1x1,                      \
   isa::predicted_conv_winograd_scratch,         \
   isa::predicted_conv_winograd,                 \
   isa::gated_predicted_conv_scratch,            \
   isa::gated_predicted_conv,                    \
   isa::conv_to_image_scratch,                   \
   isa::conv_to_image}

#if defined(__aarch64__)
constexpr KernelTable kBaseline = LRT_TABLE(baseline, "NEON");
#ifdef LRT_DOTPROD
constexpr KernelTable kDotprod = LRT_TABLE(dotprod, "NEON dot product");
#endif
#elif defined(LRT_X86)
constexpr KernelTable kBaseline = LRT_TABLE(baseline, "SSE2");
constexpr KernelTable kAvx2 = LRT_TABLE(avx2, "AVX2");
constexpr KernelTable kAvx512 = LRT_TABLE(avx512, "AVX-512");
constexpr KernelTable kAvx512Vnni = LRT_TABLE(avx512vnni, "AVX-512 VNNI");
#else
constexpr KernelTable kBaseline = LRT_TABLE(baseline, "generic");
#endif

const KernelTable& choose() {
  const char* wanted = std::getenv("LAYOUTRT_ISA");
  [[maybe_unused]] const auto allowed = [wanted](const char* name) {
    return wanted == nullptr || *wanted == '\0' || std::strcmp(wanted, name) == 0;
  };
#ifdef LRT_X86
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (allowed("avx512vnni") && has_avx512 && __builtin_cpu_supports("avx512vnni")) return kAvx512Vnni;
  // A machine that lacks what it was asked for gets the next best.
  if ((allowed("avx512") || allowed("avx512vnni")) && has_avx512) return kAvx512;
  if ((allowed("avx2") || allowed("avx512") || allowed("avx512vnni")) && __builtin_cpu_supports("avx2") &&
      __builtin_cpu_supports("fma")) {
    return kAvx2;
  }
#endif
#ifdef LRT_DOTPROD
  constexpr unsigned long kAsimdDp = 1ul << 20;  // HWCAP_ASIMDDP, which older headers lack
  if (allowed("dotprod") && (getauxval(AT_HWCAP) & kAsimdDp) != 0) return kDotprod;
#endif
  return kBaseline;
}

}  // namespace

const KernelTable& kernel_table() {
  static const KernelTable& chosen = choose();
  return chosen;
}

}  // namespace layoutrt::kernels
