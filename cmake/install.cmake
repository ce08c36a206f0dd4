# What a user gets: the library, the public headers, the schemas with their generated headers,
# packages for find_package(Troupe) and pkg-config, and the program `troupe`.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(troupe_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Troupe)

install(TARGETS troupe EXPORT TroupeTargets FILE_SET HEADERS)
if(TARGET troupe_tool)
  install(TARGETS troupe_tool)
endif()
install(FILES ${troupe_schemas} ${troupe_schema_headers}
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/troupe)
install(EXPORT TroupeTargets NAMESPACE Troupe:: DESTINATION ${troupe_package_dir})

configure_package_config_file(cmake/TroupeConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/TroupeConfig.cmake INSTALL_DESTINATION ${troupe_package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/TroupeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/TroupeConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/TroupeConfigVersion.cmake
  cmake/FindCAF.cmake
  cmake/TroupeAddSchemas.cmake
  cmake/TroupeCapnp.cmake
  DESTINATION ${troupe_package_dir})

# The prefix is not known before the installation, so troupe.pc says where it lies from itself.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE pc_prefix)
set(pc_libdir "\${prefix}")
cmake_path(APPEND pc_libdir ${CMAKE_INSTALL_LIBDIR})
set(pc_includedir "\${prefix}")
cmake_path(APPEND pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
cmake_path(GET CAF_CORE_LIBRARY PARENT_PATH pc_caf_libdir)
configure_file(cmake/troupe.pc.in ${CMAKE_CURRENT_BINARY_DIR}/troupe.pc @ONLY)
configure_file(cmake/troupe-actors.pc.in ${CMAKE_CURRENT_BINARY_DIR}/troupe-actors.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/troupe.pc ${CMAKE_CURRENT_BINARY_DIR}/troupe-actors.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
