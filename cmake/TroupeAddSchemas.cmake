# troupe_add_schemas(TARGET [BASE_DIR folder] x.capnp...)
#
# Generates C++ from Cap'n Proto schemas and compiles it into TARGET. The header of sub/x.capnp is
# "sub/x.capnp.h", for TARGET and all that links with it; with BASE_DIR sub it is "x.capnp.h". A
# schema may import others of this folder, and Troupe's own as "/troupe/envelope.capnp".
function(troupe_add_schemas target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "BASE_DIR" "")
  set(base ${CMAKE_CURRENT_SOURCE_DIR})
  if(arg_BASE_DIR)
    cmake_path(ABSOLUTE_PATH arg_BASE_DIR NORMALIZE OUTPUT_VARIABLE base)
  endif()
  set(schemas ${arg_UNPARSED_ARGUMENTS})
  if(NOT schemas)
    message(FATAL_ERROR "troupe_add_schemas(${target}): no schema is given")
  endif()
  list(TRANSFORM schemas PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ REGEX "^[^/]")

  set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated/${target})
  file(MAKE_DIRECTORY ${generated})
  # What the C++ compiler finds as <troupe/x.capnp.h>, capnp shall find as "/troupe/x.capnp".
  set(imports "$<TARGET_PROPERTY:Troupe::troupe,INTERFACE_INCLUDE_DIRECTORIES>")
  foreach(schema IN LISTS schemas)
    cmake_path(NORMAL_PATH schema)
    cmake_path(RELATIVE_PATH schema BASE_DIRECTORY ${base} OUTPUT_VARIABLE name)
    if(name MATCHES "^\\.\\./")
      message(FATAL_ERROR "troupe_add_schemas(${target}): ${schema} is not below ${base}, "
        "where the names of headers begin; see BASE_DIR")
    endif()
    # capnp does not say what a schema imports: when one changes, all of this call are done again.
    add_custom_command(OUTPUT ${generated}/${name}.c++ ${generated}/${name}.h
      COMMAND ${CAPNP_EXECUTABLE} compile --src-prefix=${base} -I${base} "-I$<JOIN:${imports},;-I>"
        -o${CAPNPC_CXX_EXECUTABLE}:${generated} ${schema}
      DEPENDS ${schemas} COMMENT "Generating ${name}.h" COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties(${generated}/${name}.c++ PROPERTIES COMPILE_OPTIONS -w)
    target_sources(${target} PRIVATE ${generated}/${name}.c++ ${generated}/${name}.h)
  endforeach()
  target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${generated}>)
endfunction()
