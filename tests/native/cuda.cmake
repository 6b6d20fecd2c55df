# The CUDA kernels' own sources, compiled for the CPU: the headers in cuda/emulation stand for CUDA's and for the two
# of the kernels that hold inline PTX and launches.
set(kernels ${native}/cuda)
set(kernel_sources
  ${kernels}/layout_conv.cu
  ${kernels}/predicted_conv.cu
  ${kernels}/quantized_predicted_conv.cu
  ${kernels}/spatially_varying_conv.cu)
set_source_files_properties(${kernel_sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++")
# Traps turn accesses that a GPU would refuse into errors.
set(emulation_options -O1 -Wno-unknown-pragmas -Wno-pass-failed -fno-strict-aliasing -fsanitize=alignment
  -fsanitize-undefined-trap-on-error)

add_library(cuda_kernels_emulated STATIC
  ${kernel_sources}
  cuda/emulation/block.cpp
  cuda/emulation/guarded_memory.cpp
  cuda/emulation/warp.cpp)
target_include_directories(cuda_kernels_emulated PRIVATE cuda/emulation ${kernels})
target_compile_options(cuda_kernels_emulated PRIVATE ${emulation_options})
target_link_libraries(cuda_kernels_emulated PRIVATE Threads::Threads)

add_library(cuda_kernels_driver SHARED cuda/driver.cpp cuda/emulation/control.cpp cuda/emulation/faulty_kernels.cpp)
target_include_directories(cuda_kernels_driver PRIVATE cuda/emulation ${native})
target_compile_options(cuda_kernels_driver PRIVATE ${emulation_options} -fvisibility=default)
target_link_libraries(cuda_kernels_driver PRIVATE cuda_kernels_emulated)
