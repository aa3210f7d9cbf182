# SPDX-License-Identifier: MIT
# Another processor, DUET_CROSS: aarch64 and s390x (which is big-endian) run under qemu, i386 as it is. Libraries come
# from build/sysroot (tools/sysroot).

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES DUET_CROSS)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${DUET_CROSS})
if(DUET_CROSS STREQUAL i386)
  set(debian i386)
  set(CMAKE_C_COMPILER gcc)
  set(CMAKE_C_FLAGS_INIT "-m32 -Wno-psabi")
  set(CMAKE_LIBRARY_ARCHITECTURE i386-linux-gnu)
  set(CMAKE_CROSSCOMPILING_EMULATOR env) # its programs run as they are; without a word here CMake would not run them
else()
  string(REPLACE aarch64 arm64 debian ${DUET_CROSS})
  set(CMAKE_C_COMPILER ${DUET_CROSS}-linux-gnu-gcc)
  set(CMAKE_LIBRARY_ARCHITECTURE ${DUET_CROSS}-linux-gnu)
  set(CMAKE_CROSSCOMPILING_EMULATOR qemu-${DUET_CROSS};-L;/usr/${DUET_CROSS}-linux-gnu)
endif()

set(sysroot ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/${debian})
file(REAL_PATH ${sysroot} sysroot)
set(CMAKE_FIND_ROOT_PATH ${sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${sysroot}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${sysroot})
# Headers that Debian keeps apart for each processor, and the libraries that libssl needs in its turn.
set(CMAKE_C_STANDARD_INCLUDE_DIRECTORIES ${sysroot}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
# What libcurl needs in its turn is left out: the program is linked there, and not run.
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-Wl,-rpath-link,${sysroot}/lib/${CMAKE_LIBRARY_ARCHITECTURE} -Wl,--allow-shlib-undefined")
