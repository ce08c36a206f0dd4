# Defines Troupe::capnp: Cap'n Proto as Troupe links it. Programs get its archives, where these lie
# beside its shared libraries: each library of its own costs every new process mappings and page
# faults (docs/decisions.md). All else gets the shared libraries: archives may not be fit for it.
# TROUPE_SHARED_CAPNP=ON: programs, too.

set(troupe_capnp CapnProto::capnp)
if(NOT TROUPE_SHARED_CAPNP)
  foreach(property IMPORTED_LOCATION IMPORTED_LOCATION_RELEASE IMPORTED_LOCATION_RELWITHDEBINFO
      IMPORTED_LOCATION_NONE IMPORTED_LOCATION_NOCONFIG)
    get_target_property(troupe_capnp_library CapnProto::capnp ${property})
    if(troupe_capnp_library)
      cmake_path(GET troupe_capnp_library PARENT_PATH folder)
      set(troupe_capnp_archives ${folder}/libcapnp.a ${folder}/libkj.a)
      break()
    endif()
  endforeach()
  if(troupe_capnp_archives)
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_LIBRARIES ${troupe_capnp_archives} Threads::Threads)
    set(CMAKE_REQUIRED_FLAGS -std=c++20)
    check_cxx_source_compiles("
      #include <capnp/message.h>
      int main() { return static_cast<int>(capnp::MallocMessageBuilder{}.getSegmentsForOutput().size()); }"
      TROUPE_CAN_LINK_CAPNP_ARCHIVES)
    unset(CMAKE_REQUIRED_LIBRARIES)
    unset(CMAKE_REQUIRED_FLAGS)
    if(TROUPE_CAN_LINK_CAPNP_ARCHIVES)
      set(is_program $<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>)
      set(troupe_capnp
        $<${is_program}:${troupe_capnp_archives}> $<$<NOT:${is_program}>:CapnProto::capnp>)
    endif()
  endif()
endif()

if(NOT TARGET Troupe::capnp)
  add_library(Troupe::capnp INTERFACE IMPORTED GLOBAL)
  target_include_directories(Troupe::capnp INTERFACE
    $<TARGET_PROPERTY:CapnProto::capnp,INTERFACE_INCLUDE_DIRECTORIES>)
  target_link_libraries(Troupe::capnp INTERFACE "${troupe_capnp}")
endif()
