# SPDX-License-Identifier: MIT
# Each file of tests/unit is a program of its own, unit_NAME.

enable_testing()
find_package(PkgConfig REQUIRED)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
add_library(unit_main STATIC tests/unit/test.c tests/unit/peer.c)
target_link_libraries(unit_main PUBLIC duet_flags PkgConfig::CMOCKA)
file(GLOB unit_sources CONFIGURE_DEPENDS tests/unit/*.c)
list(REMOVE_ITEM unit_sources ${PROJECT_SOURCE_DIR}/tests/unit/test.c ${PROJECT_SOURCE_DIR}/tests/unit/peer.c)
foreach(source ${unit_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(unit_${name} ${source})
  target_include_directories(unit_${name} PRIVATE tests/unit)
  target_link_libraries(unit_${name} PRIVATE unit_main duet_static)
  add_test(NAME unit_${name} COMMAND unit_${name})
endforeach()
