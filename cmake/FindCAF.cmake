# Finds CAF and defines CAF::core.
#
# CAF 0.18 and newer install a package of their own, which is used when it is there. Debian's
# libcaf-dev (0.17.6) has none: headers and libcaf_core are searched, the version is read from
# caf/config.hpp. This file is installed beside TroupeConfig.cmake, for the same reason.

find_package(CAF CONFIG QUIET)
if(TARGET CAF::core)
  include(FindPackageHandleStandardArgs)
  find_package_handle_standard_args(CAF CONFIG_MODE)
  return()
endif()

find_path(CAF_INCLUDE_DIR caf/config.hpp)
find_library(CAF_CORE_LIBRARY caf_core)
mark_as_advanced(CAF_INCLUDE_DIR CAF_CORE_LIBRARY)

unset(CAF_VERSION)
if(CAF_INCLUDE_DIR)
  file(STRINGS ${CAF_INCLUDE_DIR}/caf/config.hpp caf_version_line
    REGEX "^#define CAF_VERSION [0-9]+")
  if(caf_version_line MATCHES "CAF_VERSION 0*([1-9][0-9]*)")
    set(caf_number ${CMAKE_MATCH_1})  # 1706 is 0.17.6, 10203 is 1.2.3
    math(EXPR caf_major "${caf_number} / 10000")
    math(EXPR caf_minor "${caf_number} / 100 % 100")
    math(EXPR caf_patch "${caf_number} % 100")
    set(CAF_VERSION ${caf_major}.${caf_minor}.${caf_patch})
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CAF
  REQUIRED_VARS CAF_CORE_LIBRARY CAF_INCLUDE_DIR VERSION_VAR CAF_VERSION)

if(CAF_FOUND AND NOT TARGET CAF::core)
  find_package(Threads REQUIRED)
  add_library(CAF::core UNKNOWN IMPORTED)
  set_target_properties(CAF::core PROPERTIES
    IMPORTED_LOCATION "${CAF_CORE_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${CAF_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()
