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

add_library(duet_warnings INTERFACE)
target_compile_options(duet_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
                                               -Wmissing-prototypes -Wno-missing-field-initializers)
target_compile_definitions(duet_warnings INTERFACE _GNU_SOURCE)
if(DUET_WERROR)
  target_compile_options(duet_warnings INTERFACE -Werror)
endif()

add_library(duet_flags INTERFACE)
target_link_libraries(duet_flags INTERFACE duet_warnings)
target_include_directories(duet_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)

if(DUET_SANITIZE)
  add_compile_options(-fsanitize=${DUET_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DUET_SANITIZE})
endif()
