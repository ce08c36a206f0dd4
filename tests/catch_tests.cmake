# Registers every TEST_CASE of a Catch2 program as one CTest test, listed when ctest starts.
# Own code: the catch_discover_tests of Catch2 2.13 lists only after a build, can't register one
# program twice, and splits property values that are lists.
#
#   add_catch_tests(TARGET PREFIX prefix LABEL label TIMEOUT seconds [ENVIRONMENT modification...])
function(add_catch_tests target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PREFIX;LABEL;TIMEOUT" "ENVIRONMENT")
  if(Catch2_VERSION VERSION_LESS 3)
    set(list_arguments --list-test-names-only)
  else()
    set(list_arguments --list-tests --verbosity quiet)
  endif()
  set(launcher ${CMAKE_CURRENT_SOURCE_DIR}/support/with_token)
  set(script ${CMAKE_CURRENT_BINARY_DIR}/${target}_${arg_PREFIX}.cmake)
  file(GENERATE OUTPUT ${script} CONTENT "\
set(prefix [==[${arg_PREFIX}]==])
set(program [==[$<TARGET_FILE:${target}>]==])
set(launcher [==[${launcher}]==])
set(list_arguments [==[${list_arguments}]==])
set(label [==[${arg_LABEL}]==])
set(timeout [==[${arg_TIMEOUT}]==])
set(environment [==[${arg_ENVIRONMENT}]==])
include([==[${CMAKE_CURRENT_SOURCE_DIR}/list_catch_tests.cmake]==])
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${script})
endfunction()
