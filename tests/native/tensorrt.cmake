# Programs that test the TensorRT side, built against the headers of each version that is at hand, with a CUDA
# runtime of the tests' own on CUDA's real headers: they run without a GPU and without TensorRT's libraries.
set(LAYOUTRT_TEST_TENSORRT "" CACHE STRING "Folders that hold TensorRT's include/, one for each version")
if(LAYOUTRT_TEST_TENSORRT)
  include(${CMAKE_CURRENT_LIST_DIR}/tensorrt/versions.cmake)
endif()
