# What a user gets: the library, the public headers, the schemas with their generated headers, and
# a package for find_package(Troupe).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(troupe_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Troupe)

install(TARGETS troupe EXPORT TroupeTargets FILE_SET HEADERS)
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
  DESTINATION ${troupe_package_dir})
