# SPDX-License-Identifier: MIT
# What `make install` puts where. DESTDIR is honoured, and so is PREFIX (see the Makefile).

include(CMakePackageConfigHelpers)
if(DUET_SANITIZE)
  return()
endif()

install(DIRECTORY include/duet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS duet_static duet_shared EXPORT duet)
if(TARGET duet_program)
  install(TARGETS duet_program)
  # What `duet serve --demo` starts (src/cmd/backends.c).
  add_custom_target(duet_backends)
  foreach(name game ticker agent auction device event notify)
    add_dependencies(duet_backends example_${name})
    install(TARGETS example_${name} DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/duet)
  endforeach()
endif()

# What a static link needs of igzip.
if(TARGET PkgConfig::ISAL)
  set(igzip_found TRUE)
  set(igzip_required ", libisal")
else()
  set(igzip_found FALSE)
  set(igzip_required "")
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/duet)
install(EXPORT duet NAMESPACE duet:: FILE duet-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(packaging/duet-config.cmake.in duet-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(duet-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/duet-config.cmake ${PROJECT_BINARY_DIR}/duet-config-version.cmake
        DESTINATION ${package_dir})

configure_file(packaging/duet.pc.in duet.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/duet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Where systemd looks for units: below PREFIX, or where a distribution has them.
set(DUET_UNIT_DIR lib/systemd/system CACHE STRING "Where units of systemd are installed")
configure_file(packaging/duet.service.in duet.service @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/duet.service packaging/duet.socket DESTINATION ${DUET_UNIT_DIR})
install(FILES packaging/duet.sysusers DESTINATION lib/sysusers.d RENAME duet.conf)

file(GLOB manual_pages CONFIGURE_DEPENDS packaging/man/*.[1-8])
foreach(page ${manual_pages})
  string(REGEX REPLACE ".*\\." "" section ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/duet.yaml packaging/demo.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
