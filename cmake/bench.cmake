# SPDX-License-Identifier: MIT
# Each file of bench is a measuring program, bench_NAME, which is built on request only.

file(GLOB bench_sources CONFIGURE_DEPENDS bench/*.c)
foreach(source ${bench_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(bench_${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(bench_${name} PRIVATE duet_flags duet_static)
endforeach()
