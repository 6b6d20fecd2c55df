# What `cmake --install` lays down for C and C++ programs: the library, its headers, and what
# find_package(layoutrt) and pkg-config read. The Python package takes the library alone.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/layoutrt)
set_target_properties(layoutrt PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${LRT_ABI_VERSION})
install(TARGETS layoutrt EXPORT layoutrtTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${native}/include/layoutrt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

install(EXPORT layoutrtTargets NAMESPACE layoutrt:: DESTINATION ${package_dir})
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/layoutrtConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/layoutrtConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/layoutrtConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/layoutrtConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/layoutrtConfigVersion.cmake DESTINATION ${package_dir})

# Relative to the file itself, so that an installed tree can be moved.
file(RELATIVE_PATH LRT_PREFIX_FROM_PC
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/layoutrt.pc.in ${CMAKE_CURRENT_BINARY_DIR}/layoutrt.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/layoutrt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
