# SPDX-License-Identifier: MIT
# libduet: the core (no system calls, no clock, no randomness of its own; a test lists its undefined symbols)
# and what stands on it. Both are compiled once, for the static and the shared library.

file(GLOB core_sources CONFIGURE_DEPENDS src/base/*.c src/http/*.c src/proto/*.c)
file(GLOB upper_sources CONFIGURE_DEPENDS src/net/*.c src/conn/*.c src/server/*.c src/client/*.c)

# What compresses: a choice of files.
list(FILTER core_sources EXCLUDE REGEX "/pack_[a-z]+[.]c$")
set(compression ZLIB::ZLIB)
if(TARGET PkgConfig::ISAL)
  list(APPEND core_sources ${PROJECT_SOURCE_DIR}/src/proto/pack_igzip.c)
  list(APPEND compression PkgConfig::ISAL)
else()
  list(APPEND core_sources ${PROJECT_SOURCE_DIR}/src/proto/pack_none.c)
endif()

set(duet_objects "")
foreach(part core upper)
  if(${part}_sources)
    add_library(duet_${part} OBJECT ${${part}_sources})
    target_link_libraries(duet_${part} PRIVATE duet_flags OpenSSL::SSL ${compression})
    list(APPEND duet_objects $<TARGET_OBJECTS:duet_${part}>)
  endif()
endforeach()

add_library(duet_static STATIC ${duet_objects})
set_target_properties(duet_static PROPERTIES OUTPUT_NAME duet EXPORT_NAME static)
target_link_libraries(duet_static PUBLIC OpenSSL::SSL OpenSSL::Crypto ${compression} Threads::Threads)
target_include_directories(duet_static PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# The export list is what the public headers declare as DUET_API, and nothing else.
file(GLOB public_headers CONFIGURE_DEPENDS include/duet/*.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${public_headers})
set(exports "")
foreach(header ${public_headers})
  file(READ ${header} text)
  string(REGEX MATCHALL "DUET_API[^;(]*duet_[a-z0-9_]+\\(" declarations "${text}")
  foreach(declaration ${declarations})
    string(REGEX REPLACE ".*(duet_[a-z0-9_]+)\\($" "\\1" name "${declaration}")
    list(APPEND exports ${name})
  endforeach()
endforeach()
list(SORT exports)
list(REMOVE_DUPLICATES exports)
list(JOIN exports ";\n    " export_lines)
set(export_map ${PROJECT_BINARY_DIR}/libduet.map)
file(CONFIGURE OUTPUT ${export_map} CONTENT "DUET_${PROJECT_VERSION_MAJOR} {
global:
    ${export_lines};
local:
    *;
};
")

# A sanitizer's runtime is in the program, so a shared library could not be linked with no symbol left open.
if(NOT DUET_SANITIZE)
  add_library(duet_shared SHARED ${duet_objects})
  set_target_properties(duet_shared PROPERTIES OUTPUT_NAME duet EXPORT_NAME duet VERSION ${PROJECT_VERSION}
                                               SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${export_map})
  target_link_libraries(duet_shared PRIVATE OpenSSL::SSL OpenSSL::Crypto ${compression} Threads::Threads)
  target_link_options(duet_shared PRIVATE -Wl,--version-script=${export_map} -Wl,-z,defs
                                                 -Wl,-Bsymbolic-functions)
  target_include_directories(duet_shared PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endif()
