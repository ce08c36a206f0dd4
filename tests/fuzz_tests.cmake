# fuzz/NAME.cpp becomes target fuzz_NAME, program fuzz/NAME, with clang's libFuzzer. The rest of the
# tree may be built by another compiler, so clang is called by hand, and what must be instrumented
# (the code that reads bytes of a peer, and the generated code) is compiled with it.
function(add_fuzz_tests)
  file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*.cpp)
  if(NOT fuzz_sources OR TROUPE_SANITIZE STREQUAL "thread")  # no program has both sanitizers
    return()
  endif()
  find_clang_with_libfuzzer()

  file(GLOB wire_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/framework/troupe/wire/*.cpp)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/framework/troupe/*.hpp)
  set(includes "$<TARGET_PROPERTY:troupe,INTERFACE_INCLUDE_DIRECTORIES>")
  foreach(source IN LISTS fuzz_sources)
    cmake_path(GET source STEM name)
    if(TROUPE_FUZZ_COMPILER)
      set(program ${CMAKE_CURRENT_BINARY_DIR}/fuzz/${name})
      add_custom_command(OUTPUT ${program}
        COMMAND ${TROUPE_FUZZ_COMPILER} -std=c++20 -g1 -O1 -w -fno-omit-frame-pointer
          -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
          "-I$<JOIN:${includes},;-I>" -I${CMAKE_CURRENT_SOURCE_DIR} ${source} ${wire_sources}
          -x c++ ${troupe_schema_sources} -x none
          $<TARGET_FILE:troupe> $<TARGET_FILE:CAF::core> -lcapnp -lkj -pthread -o ${program}
        DEPENDS ${source} ${wire_sources} ${headers} ${troupe_schema_sources}
          ${troupe_schema_headers} troupe
        COMMENT "Building fuzz_${name} with clang" COMMAND_EXPAND_LISTS VERBATIM)
      add_custom_target(fuzz_${name} ALL DEPENDS ${program})
      add_test(NAME fuzz:${name}
        COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/support/run_fuzz ${program}
          ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
    else()
      add_test(NAME fuzz:${name}
        COMMAND ${CMAKE_COMMAND} -E echo "SKIPPED: no clang with libFuzzer")
    endif()
    set_tests_properties(fuzz:${name} PROPERTIES
      LABELS fuzz TIMEOUT 600 SKIP_REGULAR_EXPRESSION "(^|\n)SKIPPED:")
  endforeach()
endfunction()

# Sets TROUPE_FUZZ_COMPILER, empty when there is no clang that links with libFuzzer.
function(find_clang_with_libfuzzer)
  find_program(TROUPE_CLANG clang++)
  set(compiler "")
  if(TROUPE_CLANG)
    set(probe ${CMAKE_CURRENT_BINARY_DIR}/fuzz/probe)
    file(WRITE ${probe}.cpp
      "extern \"C\" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n")
    execute_process(
      COMMAND ${TROUPE_CLANG} -fsanitize=fuzzer,address,undefined ${probe}.cpp -o ${probe}
      RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    if(status EQUAL 0)
      set(compiler ${TROUPE_CLANG})
    endif()
  endif()
  set(TROUPE_FUZZ_COMPILER "${compiler}" PARENT_SCOPE)
endfunction()
