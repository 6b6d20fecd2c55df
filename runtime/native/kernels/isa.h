// The kernels of one instruction set, declared in its namespace, and their table: included once per set.
#ifndef LRT_ISA
#error "define LRT_ISA before including isa.h"
#endif

namespace layoutrt::kernels::LRT_ISA {

#define LRT_KERNEL(result, name, parameters) result name parameters;
#include "kernels/kernel_list.h"

constexpr KernelTable table(const char* label) {
  return {
      label,
#define LRT_KERNEL(result, name, parameters) name,
#include "kernels/kernel_list.h"
  };
}

}  // namespace layoutrt::kernels::LRT_ISA
