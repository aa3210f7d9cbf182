# SPDX-License-Identifier: MIT
# The program `duet`, with the pages of web/ inside, so that it works from anywhere.

file(GLOB program_sources CONFIGURE_DEPENDS src/cmd/*.c)
file(GLOB_RECURSE web_pages CONFIGURE_DEPENDS web/*)
if(NOT EXISTS ${PROJECT_SOURCE_DIR}/src/cmd/main.c)
  return()
endif()

find_package(PkgConfig REQUIRED)

# The hub with its ways in and engines: an archive of its own, so that unit tests link what they need of it. What it
# keeps it keeps in SQLite, which is the program's alone.
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.34)
file(GLOB hub_sources CONFIGURE_DEPENDS src/wire/*.c src/hub/*.c src/hook/*.c src/engine/*.c)
add_library(duet_hub STATIC ${hub_sources})
# Tokens are libjose's, which speaks in Jansson's objects; the configuration file is libyaml's. libduet knows neither.
pkg_check_modules(HUB REQUIRED IMPORTED_TARGET jansson>=2.14 jose>=11 yaml-0.1>=0.2.5)
# It asks backends by libcurl, on a thread of its own.
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
target_link_libraries(duet_hub PUBLIC duet_flags duet_static PkgConfig::SQLITE PkgConfig::HUB PkgConfig::CURL)

add_executable(duet_embed tools/embed.c)
target_link_libraries(duet_embed PRIVATE duet_warnings)

# What pages take of npm becomes one file, where tools/deps has put it; without, the page that needs it says so. The list
# is looked at with each build, so that what comes later is built in.
set(bundle_source ${PROJECT_SOURCE_DIR}/tools/bundle)
set(bundle ${PROJECT_BINARY_DIR}/yjs.js)
find_program(NODE_PROGRAM NAMES node nodejs)
file(GLOB bundle_modules CONFIGURE_DEPENDS ${bundle_source}/node_modules/.installed)
if(NODE_PROGRAM AND bundle_modules)
  add_custom_command(
    OUTPUT ${bundle}
    COMMAND ${NODE_PROGRAM} ${bundle_source}/node_modules/esbuild/bin/esbuild ${bundle_source}/yjs.js --bundle --minify
            --format=esm --target=es2022 --legal-comments=none --log-level=warning --outfile=${bundle}
    DEPENDS ${bundle_source}/yjs.js ${bundle_modules}
    COMMENT "Bundling what pages take of npm")
  set(web_bundle /apps/doc/yjs.js=${bundle})
  foreach(package IN ITEMS yjs y-protocols lib0)
    list(APPEND web_bundle /apps/doc/license-${package}.txt=${bundle_source}/node_modules/${package}/LICENSE)
  endforeach()
  set(web_bundle_file ${bundle})
endif()

# With the configuration of --demo among them: the pages show what they run on.
set(web_source ${PROJECT_BINARY_DIR}/web.c)
set(demo_config ${PROJECT_SOURCE_DIR}/packaging/demo.yaml)
add_custom_command(
  OUTPUT ${web_source}
  COMMAND duet_embed ${PROJECT_SOURCE_DIR}/web ${web_source} /apps/demo.yaml=${demo_config} ${web_bundle}
  DEPENDS duet_embed ${web_pages} ${demo_config} ${web_bundle_file}
  COMMENT "Embedding web/")

# Lines typed at a terminal are edited by libedit, which is the program's alone: libduet knows no terminal.
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)

add_executable(duet_program ${program_sources} ${web_source})
set_target_properties(duet_program PROPERTIES OUTPUT_NAME duet)
# Where installed programs of --demo are, seen from this one.
file(RELATIVE_PATH demo_programs_dir ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBEXECDIR}/duet)
set_source_files_properties(src/cmd/backends.c PROPERTIES COMPILE_DEFINITIONS DUET_LIBEXEC="${demo_programs_dir}")
target_link_libraries(duet_program PRIVATE duet_flags duet_hub duet_static PkgConfig::EDIT m)
