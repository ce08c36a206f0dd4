# Defines Troupe::capnp: Cap'n Proto as Troupe links it. Programs get its archives, where these lie
# beside its shared libraries: each library of its own costs every new process mappings and page
# faults (docs/decisions.md). All else gets the shared libraries: archives may not be fit for it.
# TROUPE_SHARED_CAPNP=ON: programs, too.

# Into `result`: libcapnp.a and libkj.a, if programs can be linked with them; else nothing.
function(troupe_find_capnp_archives result)
  set(${result} "" PARENT_SCOPE)
  foreach(configuration "" _RELEASE _RELWITHDEBINFO _NONE _NOCONFIG)
    get_target_property(library CapnProto::capnp IMPORTED_LOCATION${configuration})
    if(library)
      break()
    endif()
  endforeach()
  if(NOT library)
    return()  # built in this very tree
  endif()
  cmake_path(GET library PARENT_PATH folder)
  set(archives ${folder}/libcapnp.a ${folder}/libkj.a)

  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_QUIET ON)
  set(CMAKE_REQUIRED_LIBRARIES ${archives} Threads::Threads)
  get_target_property(CMAKE_REQUIRED_INCLUDES CapnProto::capnp INTERFACE_INCLUDE_DIRECTORIES)
  set(CMAKE_CXX_STANDARD 20)
  check_cxx_source_compiles("
    #include <capnp/message.h>
    int main() {
      capnp::MallocMessageBuilder message;
      return static_cast<int>(message.getSegmentsForOutput().size());
    }" TROUPE_CAN_LINK_CAPNP_ARCHIVES)
  if(TROUPE_CAN_LINK_CAPNP_ARCHIVES)
    set(${result} ${archives} PARENT_SCOPE)
  endif()
endfunction()

if(NOT TARGET Troupe::capnp)
  add_library(Troupe::capnp INTERFACE IMPORTED GLOBAL)
  get_target_property(troupe_capnp_headers CapnProto::capnp INTERFACE_INCLUDE_DIRECTORIES)
  if(troupe_capnp_headers)
    target_include_directories(Troupe::capnp INTERFACE ${troupe_capnp_headers})
  endif()
  if(NOT TROUPE_SHARED_CAPNP)
    troupe_find_capnp_archives(troupe_capnp_archives)
  endif()
  if(troupe_capnp_archives)
    target_link_libraries(Troupe::capnp INTERFACE
      "$<IF:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>,${troupe_capnp_archives},CapnProto::capnp>")
  else()
    target_link_libraries(Troupe::capnp INTERFACE CapnProto::capnp)
  endif()
endif()
