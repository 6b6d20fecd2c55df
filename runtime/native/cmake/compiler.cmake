# Which compilers build layoutrt, and what processor they build for: LAYOUTRT_FOR_X86_64, LAYOUTRT_FOR_AARCH64.
set(oldest_GNU 11)
set(oldest_Clang 14)
set(needed "layoutrt needs GCC ${oldest_GNU} or clang ${oldest_Clang}, or newer")
set(found "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER})")
set(remedy "name another one in an empty build folder, as in CXX=g++-${oldest_GNU} cmake -B build")
if(NOT DEFINED oldest_${CMAKE_CXX_COMPILER_ID})
  message(WARNING "${needed}, and was not tried with ${found}; if it fails, ${remedy}")
elseif(CMAKE_CXX_COMPILER_VERSION VERSION_LESS oldest_${CMAKE_CXX_COMPILER_ID})
  message(FATAL_ERROR "${needed}, and this is ${found}; ${remedy}")
endif()
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "layoutrt is for Linux, and this builds for ${CMAKE_SYSTEM_NAME}")
endif()

# The compiler is asked: CMAKE_SYSTEM_PROCESSOR is the processor of this machine where CXX alone names a
# cross compiler.
include(CheckCXXSourceCompiles)
foreach(processor x86_64 aarch64)
  string(TOUPPER LAYOUTRT_FOR_${processor} variable)
  check_cxx_source_compiles("
    #ifndef __${processor}__
    #error another processor
    #endif
    int main() { return 0; }" ${variable})
endforeach()
