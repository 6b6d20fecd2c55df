# For each folder of TensorRT's headers: the operator library, the engine behind the C API, and their tests.
find_path(cuda_include cuda_runtime_api.h HINTS $ENV{CUDA_PATH} /usr/local/cuda
  PATH_SUFFIXES include REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(here ${CMAKE_CURRENT_LIST_DIR})

# One for all libraries of a process, so that they share memory and streams.
add_library(fake_cuda SHARED ${here}/fake_cuda.cpp)
target_compile_options(fake_cuda PRIVATE -O0)
target_include_directories(fake_cuda SYSTEM PUBLIC ${cuda_include})
set_target_properties(fake_cuda PROPERTIES CXX_VISIBILITY_PRESET default)

# What stands before an engine in the C API, without ONNX Runtime and its operators.
add_library(api_without_onnxruntime OBJECT ${here}/no_onnxruntime.cpp)
foreach(name api_guard c_api control_groups engine_manifest json label_set own_folder per_process processors request
        run_queue session session_handles sha256 split_engine strides)
  target_sources(api_without_onnxruntime PRIVATE ${native}/${name}.cpp)
endforeach()
target_compile_options(api_without_onnxruntime PRIVATE -O0)
target_include_directories(api_without_onnxruntime PRIVATE ${native} ${native}/include)

get_filename_component(tensorrt ${native}/tensorrt ABSOLUTE)
file(GLOB engine_sources ${tensorrt}/*.cpp)
list(FILTER engine_sources EXCLUDE REGEX "/absent.cpp$")
file(GLOB plugin_sources ${tensorrt}/plugins/*.cpp)

foreach(root IN LISTS LAYOUTRT_TEST_TENSORRT)
  read_tensorrt_version(${root}/include version)
  string(REGEX MATCH "^[0-9]+" major ${version})
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/tensorrt-${version})
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(
    OUTPUT ${folder}/stubs.h
    COMMAND Python3::Interpreter ${here}/stubs.py ${root}/include ${folder}/stubs.h
    DEPENDS ${here}/stubs.py ${root}/include/NvInferImpl.h)

  function(add_tensorrt_target target)
    target_include_directories(${target} PRIVATE ${native} ${native}/include ${here}/..)
    target_include_directories(${target} SYSTEM PRIVATE ${folder} ${root}/include)
    target_compile_options(${target} PRIVATE -Werror -O0)  # compiling takes longer than the tests
    target_link_libraries(${target} PRIVATE fake_cuda ${CMAKE_DL_LIBS} Threads::Threads)
    set_target_properties(${target} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY ${folder} RUNTIME_OUTPUT_DIRECTORY ${folder})
  endfunction()

  add_library(layoutrt_trt_${version} SHARED ${plugin_sources})
  add_tensorrt_target(layoutrt_trt_${version})
  target_link_libraries(layoutrt_trt_${version} PRIVATE cuda_kernels_emulated)
  target_link_options(layoutrt_trt_${version} PRIVATE LINKER:--version-script=${tensorrt}/plugins/exports.map)
  set_target_properties(layoutrt_trt_${version} PROPERTIES OUTPUT_NAME layoutrt_trt)

  # Its double registry in both: in a program that drives plugins, and in the toy TensorRT.
  add_executable(plugin_harness_${version} ${folder}/stubs.h
    ${here}/plugin_harness.cpp ${here}/plugin_case.cpp ${here}/registry.cpp)
  add_tensorrt_target(plugin_harness_${version})
  set_target_properties(plugin_harness_${version} PROPERTIES OUTPUT_NAME plugin_harness)

  add_library(toy_nvinfer_${version} SHARED ${folder}/stubs.h ${here}/toy_nvinfer.cpp ${here}/registry.cpp)
  add_tensorrt_target(toy_nvinfer_${version})
  set_target_properties(toy_nvinfer_${version} PROPERTIES OUTPUT_NAME nvinfer SOVERSION ${major})

  add_executable(test_plugins_${version} ${folder}/stubs.h ${here}/test_plugins.cpp ${here}/registry.cpp)
  add_tensorrt_target(test_plugins_${version})
  set_target_properties(test_plugins_${version} PROPERTIES OUTPUT_NAME test_plugins)

  # Its namespace is that of the C++ wrapper, so it stays a library of its own.
  add_library(api_${version} SHARED ${engine_sources})
  add_tensorrt_target(api_${version})
  target_link_libraries(api_${version} PRIVATE api_without_onnxruntime)
  target_link_options(api_${version} PRIVATE LINKER:--version-script=${native}/exports.map)
  set_target_properties(api_${version} PROPERTIES OUTPUT_NAME layoutrt)

  foreach(program test_tensorrt_device test_tensorrt_engine test_tensorrt_refusals)
    add_executable(${program}_${version} ${here}/${program}.cpp ${native}/formats/sha256.cpp)
    add_tensorrt_target(${program}_${version})
    target_link_libraries(${program}_${version} PRIVATE api_${version})
    set_target_properties(${program}_${version} PROPERTIES OUTPUT_NAME ${program})
  endforeach()

  add_custom_target(tensorrt_tests_${version} DEPENDS layoutrt_trt_${version} plugin_harness_${version}
    toy_nvinfer_${version} test_plugins_${version} test_tensorrt_device_${version}
    test_tensorrt_engine_${version} test_tensorrt_refusals_${version})
  list(APPEND all_tests tensorrt_tests_${version})
endforeach()
add_custom_target(tensorrt_tests DEPENDS ${all_tests})
