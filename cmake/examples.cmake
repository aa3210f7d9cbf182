# SPDX-License-Identifier: MIT
# The examples see what a user sees: the public headers and the library.

file(GLOB examples CONFIGURE_DEPENDS examples/*.c)
foreach(source ${examples})
  get_filename_component(name ${source} NAME_WE)
  add_executable(example_${name} ${source})
  set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
                                                   RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
  target_link_libraries(example_${name} PRIVATE duet_warnings duet_static)
endforeach()

# Backends of web/apps/ that read JSON do it with Jansson.
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
foreach(name auction event)
  target_link_libraries(example_${name} PRIVATE PkgConfig::JANSSON)
endforeach()
