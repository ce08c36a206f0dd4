# Run by ctest with the variables that catch_tests.cmake writes down.

# A program that is missing or can't list its tests is a failed test, not an empty list.
function(register_failure reason)
  add_test("${prefix}:${reason}" /bin/sh -c "echo \"$0: $1\"; exit 1" "${program}" "${reason}")
  set_tests_properties("${prefix}:${reason}" PROPERTIES LABELS "${label}")
endfunction()

if(NOT EXISTS "${program}")
  register_failure("not built")
  return()
endif()
# Catch2 v2 exits with the number of tests here, so the status says little.
execute_process(COMMAND "${launcher}" "${program}" ${list_arguments}
  OUTPUT_VARIABLE output RESULT_VARIABLE status TIMEOUT 60)
if(NOT status MATCHES "^[0-9]+$" OR output STREQUAL "")
  register_failure("can't list its tests")
  return()
endif()

# Cut off line by line: a list would break at semicolons and brackets.
while(output MATCHES "^([^\n]*)\n(.*)$")
  set(name "${CMAKE_MATCH_1}")
  set(output "${CMAKE_MATCH_2}")
  if(name MATCHES "^\"(#.*)\"$")  # v2 quotes a name that starts with #
    set(name "${CMAKE_MATCH_1}")
  endif()
  if(name STREQUAL "")
    continue()
  endif()
  # Escape what Catch2 would read as syntax of its test filters.
  string(REGEX REPLACE "([][,\"\\])" "\\\\\\1" filter "${name}")
  add_test("${prefix}:${name}" "${launcher}" "${program}" "${filter}" --warn NoAssertions)
  set_tests_properties("${prefix}:${name}" PROPERTIES
    LABELS "${label}"
    TIMEOUT "${timeout}"
    SKIP_REGULAR_EXPRESSION "(^|\n)SKIPPED:"
    FAIL_REGULAR_EXPRESSION "(^|\n)No test cases matched")  # Catch2 v2 exits with 0 then
  if(environment)
    set_tests_properties("${prefix}:${name}" PROPERTIES ENVIRONMENT_MODIFICATION "${environment}")
  endif()
endwhile()
