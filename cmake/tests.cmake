# SPDX-License-Identifier: MIT
# Each file of tests/unit is a program of its own, unit_NAME.

enable_testing()
find_package(PkgConfig REQUIRED)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
# What several of them share is linked into all.
set(unit_shared test peer wire)
list(TRANSFORM unit_shared PREPEND ${PROJECT_SOURCE_DIR}/tests/unit/)
list(TRANSFORM unit_shared APPEND .c)
add_library(unit_main STATIC ${unit_shared})
target_link_libraries(unit_main PUBLIC duet_flags PkgConfig::CMOCKA)
file(GLOB unit_sources CONFIGURE_DEPENDS tests/unit/*.c)
list(REMOVE_ITEM unit_sources ${unit_shared})
foreach(source ${unit_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(unit_${name} ${source})
  target_include_directories(unit_${name} PRIVATE tests/unit)
  target_link_libraries(unit_${name} PRIVATE unit_main duet_static)
  add_test(NAME unit_${name} COMMAND unit_${name})
endforeach()
# Tests of the hub are unit_hub_NAME, of its engines unit_engine_NAME, of its ways in unit_way_NAME, of what it asks a
# backend unit_hook_NAME.
file(GLOB hub_tests CONFIGURE_DEPENDS tests/unit/hub_*.c tests/unit/engine_*.c tests/unit/way_*.c tests/unit/hook_*.c)
foreach(source ${hub_tests})
  get_filename_component(name ${source} NAME_WE)
  target_link_libraries(unit_${name} PRIVATE duet_hub)
endforeach()
# What these stand in front of.
target_link_options(unit_hook_courier PRIVATE -Wl,--wrap=transfer_end,--wrap=outbox_drop)
target_link_options(unit_hook_hook PRIVATE -Wl,--wrap=duet_post)
foreach(name deflate pack)
  target_link_libraries(unit_${name} PRIVATE ZLIB::ZLIB) # the peer
endforeach()
# Of the program, not of the library.
foreach(name activation backends histogram notify order payload top)
  target_sources(unit_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/cmd/${name}.c)
endforeach()
target_sources(unit_backends PRIVATE ${PROJECT_SOURCE_DIR}/src/cmd/child.c)
target_link_options(unit_backends PRIVATE -Wl,--wrap=fork)
