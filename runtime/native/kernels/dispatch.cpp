#include <strings.h>

#include <cstdlib>
#include <string>
#include <vector>
#ifdef LRT_DOTPROD
#include <sys/auxv.h>
#endif

#include "error.h"
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

// An instruction set that this build has kernels of.
struct InstructionSet {
  const char* short_name;  // as LAYOUTRT_ISA has it; the table's own name is taken too
  const KernelTable* table;
  bool usable;  // this processor has it
};

// From the widest to the one that every processor has.
std::vector<InstructionSet> instruction_sets() {
  std::vector<InstructionSet> sets;
#ifdef LRT_X86
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  sets.push_back({"avx512vnni", &kAvx512Vnni, has_avx512 && __builtin_cpu_supports("avx512vnni")});
  sets.push_back({"avx512", &kAvx512, has_avx512});
  sets.push_back({"avx2", &kAvx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")});
#endif
#ifdef LRT_DOTPROD
  constexpr unsigned long kAsimdDp = 1ul << 20;  // HWCAP_ASIMDDP, which older headers lack
  sets.push_back({"dotprod", &kDotprod, (getauxval(AT_HWCAP) & kAsimdDp) != 0});
#endif
  sets.push_back({"baseline", &kBaseline, true});
  return sets;
}

// Throws Error: LAYOUTRT_ISA names none that can be used here.
const KernelTable& choose() {
  const char* wanted = std::getenv("LAYOUTRT_ISA");
  const bool any = wanted == nullptr || *wanted == '\0';
  std::string usable;
  for (const InstructionSet& set : instruction_sets()) {
    if (!set.usable) continue;
    if (any || strcasecmp(wanted, set.short_name) == 0 || strcasecmp(wanted, set.table->name) == 0) {
      return *set.table;
    }
    usable += (usable.empty() ? "" : ", ") + std::string(set.short_name) + " (" + set.table->name + ")";
  }
  throw Error(LRT_INVALID_ARGUMENT, std::string("the environment variable LAYOUTRT_ISA is '") + wanted +
                                        "', which this machine or build does not have; set it to one of " +
                                        usable + ", or unset it");
}

}  // namespace

const KernelTable& kernel_table() {
  static const KernelTable& chosen = choose();  // tried again by the next call where it throws
  return chosen;
}

}  // namespace layoutrt::kernels
