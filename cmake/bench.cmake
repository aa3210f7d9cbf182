# SPDX-License-Identifier: MIT
# Each file of bench is a measuring program, bench_NAME, which is built on request only.

file(GLOB bench_sources CONFIGURE_DEPENDS bench/*.c)
foreach(source ${bench_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(bench_${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(bench_${name} PRIVATE duet_flags duet_static)
endforeach()
if(TARGET bench_store)
  target_link_libraries(bench_store PRIVATE duet_hub)
endif()

# What else compresses, to be measured where it is installed (libisal-dev, libdeflate-dev). Nothing else needs it.
find_package(PkgConfig)
foreach(name libisal libdeflate)
  if(PKG_CONFIG_FOUND AND TARGET bench_deflate)
    pkg_check_modules(BENCH_${name} QUIET IMPORTED_TARGET ${name})
  endif()
  if(TARGET PkgConfig::BENCH_${name})
    string(TOUPPER "BENCH_${name}" definition)
    target_compile_definitions(bench_deflate PRIVATE ${definition})
    target_link_libraries(bench_deflate PRIVATE PkgConfig::BENCH_${name})
  endif()
endforeach()

# What tests/costs counts instructions and system calls of, as it is and without SIMD.
add_executable(costs EXCLUDE_FROM_ALL tests/costs/load.c)
add_executable(costs_portable EXCLUDE_FROM_ALL tests/costs/load.c tests/costs/portable.c)
foreach(name costs costs_portable)
  target_link_libraries(${name} PRIVATE duet_flags duet_static ZLIB::ZLIB)
endforeach()
