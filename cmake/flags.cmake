# SPDX-License-Identifier: MIT
# How everything is compiled: duet_warnings for all, duet_flags with the headers of src/ for what is inside.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)

# igzip compresses faster where it is. On 64-bit ARM version 2.30 reads beyond the end of a message, so it is taken on amd64
# only. MemorySanitizer cannot see what its assembler writes.
option(DUET_IGZIP "Compress with igzip (libisal) on amd64 if it is installed" ON)
find_package(PkgConfig)
if(DUET_IGZIP AND PKG_CONFIG_FOUND AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8
   AND NOT DUET_SANITIZE MATCHES memory)
  pkg_check_modules(ISAL IMPORTED_TARGET libisal>=2.30)
endif()

add_library(duet_warnings INTERFACE)
target_compile_options(duet_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
                                               -Wmissing-prototypes -Wno-missing-field-initializers)
target_compile_definitions(duet_warnings INTERFACE _GNU_SOURCE)
if(DUET_WERROR)
  target_compile_options(duet_warnings INTERFACE -Werror)
endif()

# Nobody puts functions of his own in the place of ours, so calls among them need no table, and can be inlined.
add_library(duet_flags INTERFACE)
target_compile_options(duet_flags INTERFACE -fno-semantic-interposition)
target_link_libraries(duet_flags INTERFACE duet_warnings)
target_include_directories(duet_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)

if(DUET_SANITIZE)
  add_compile_options(-fsanitize=${DUET_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DUET_SANITIZE})
endif()
