# What a user gets: the library, the public headers, the schemas with their generated headers, and
# a package for find_package(Troupe).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(troupe_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Troupe)

install(TARGETS troupe EXPORT TroupeTargets FILE_SET HEADERS)
install(EXPORT TroupeTargets NAMESPACE Troupe:: DESTINATION ${troupe_package_dir})
install(FILES ${troupe_schemas} DESTINATION ${CMAKE_INSTALL_DATADIR}/troupe/schemas)
install(DIRECTORY ${troupe_generated}/schemas
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/troupe/generated FILES_MATCHING PATTERN "*.h")

configure_package_config_file(cmake/TroupeConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/TroupeConfig.cmake INSTALL_DESTINATION ${troupe_package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/TroupeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/TroupeConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/TroupeConfigVersion.cmake
  cmake/FindCAF.cmake
  DESTINATION ${troupe_package_dir})
