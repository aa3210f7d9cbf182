# SPDX-License-Identifier: MIT
# Each file of tests/fuzz is a target: with DUET_FUZZ a libFuzzer (or AFL++) program of its own, fuzz_NAME; else a part
# of fuzz_replay, which runs the corpora in any build (cmake --build --preset clang --target fuzz_replay).

file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/*.c)

# MemorySanitizer does not see what libjose and libyaml write.
if(DUET_SANITIZE MATCHES memory)
  list(FILTER fuzz_sources EXCLUDE REGEX "/(token|config)[.]c$")
endif()

if(DUET_FUZZ)
  foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(fuzz_${name} ${source})
    target_link_libraries(fuzz_${name} PRIVATE duet_flags duet_hub duet_static)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    if(DUET_SANITIZE MATCHES memory)
      target_sources(fuzz_${name} PRIVATE tests/fuzz/lib/msan.c)
      target_link_options(fuzz_${name} PRIVATE -Wl,--wrap=inflate,--wrap=deflate,--wrap=SHA1
                                                   -Wl,--wrap=EVP_EncodeBlock,--wrap=EVP_DecodeBlock)
    endif()
  endforeach()
else()
  set(targets "")
  add_executable(fuzz_replay EXCLUDE_FROM_ALL tests/fuzz/lib/replay.c)
  foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    string(APPEND targets "TARGET(${name})\n")
    add_library(fuzz_part_${name} OBJECT EXCLUDE_FROM_ALL ${source})
    target_compile_definitions(fuzz_part_${name} PRIVATE LLVMFuzzerTestOneInput=fuzz_${name})
    target_link_libraries(fuzz_part_${name} PRIVATE duet_flags OpenSSL::SSL ZLIB::ZLIB)
    target_link_libraries(fuzz_replay PRIVATE fuzz_part_${name})
  endforeach()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/fuzz/fuzz_targets.h CONTENT "/* Of cmake/fuzz.cmake. */\n${targets}")
  target_include_directories(fuzz_replay PRIVATE ${PROJECT_BINARY_DIR}/fuzz)
  target_link_libraries(fuzz_replay PRIVATE duet_flags duet_hub duet_static)
endif()
