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

#if defined(__aarch64__)
constexpr KernelTable kBaseline = baseline::table("NEON");
#ifdef LRT_DOTPROD
constexpr KernelTable kDotprod = dotprod::table("NEON dot product");
#endif
#elif defined(LRT_X86)
constexpr KernelTable kBaseline = baseline::table("SSE2");
constexpr KernelTable kAvx2 = avx2::table("AVX2");
constexpr KernelTable kAvx512 = avx512::table("AVX-512");
constexpr KernelTable kAvx512Vnni = avx512vnni::table("AVX-512 VNNI");
#else
constexpr KernelTable kBaseline = baseline::table("generic");
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
