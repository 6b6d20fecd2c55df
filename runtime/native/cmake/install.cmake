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
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT layoutrtTargets NAMESPACE layoutrt:: DESTINATION ${package_dir})
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/layoutrtConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/layoutrtConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/layoutrtConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/layoutrtConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/layoutrtConfigVersion.cmake DESTINATION ${package_dir})

# Relative to the file itself, so that an installed tree can be moved; where the folders were given as absolute
# paths, as Nix does, it cannot be.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(LRT_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  string(REGEX REPLACE "/$" "" to_prefix ${to_prefix})
  set(LRT_PC_PREFIX "\${pcfiledir}/${to_prefix}")
endif()
foreach(folder LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
    set(LRT_PC_${folder} ${CMAKE_INSTALL_${folder}})
  else()
    set(LRT_PC_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
  endif()
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/layoutrt.pc.in ${CMAKE_CURRENT_BINARY_DIR}/layoutrt.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/layoutrt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
