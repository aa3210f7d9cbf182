# SPDX-License-Identifier: MIT
# The simulations of tests/sim, sim_NAME. What they watch or play themselves is put in place by the linker (--wrap), so
# that the library is the one that is shipped.

set(sim_dir ${PROJECT_SOURCE_DIR}/tests/sim)
set(sim_memory mem_alloc mem_zalloc mem_realloc mem_dup mem_strdup mem_free)

function(sim_program name)
  cmake_parse_arguments(SIM "" "" "SOURCES;WRAPS;LIBRARIES" ${ARGN})
  list(TRANSFORM SIM_SOURCES PREPEND ${sim_dir}/)
  add_executable(sim_${name} ${SIM_SOURCES} ${sim_dir}/sim.c)
  target_include_directories(sim_${name} PRIVATE ${sim_dir} ${PROJECT_SOURCE_DIR}/tests/unit)
  target_link_libraries(sim_${name} PRIVATE duet_flags ${SIM_LIBRARIES} duet_static)
  list(TRANSFORM SIM_WRAPS PREPEND "-Wl,--wrap=")
  target_link_options(sim_${name} PRIVATE ${SIM_WRAPS})
endfunction()

sim_program(pair SOURCES pair.c link.c WRAPS ${sim_memory})

# The simulated kernel, instead of the system's calls.
set(sim_kernel kernel.c kernel_net.c kernel_raw.c kernel_thread.c kernel_fail.c)
set(sim_calls
    socket bind listen connect accept4 recv send sendmsg shutdown setsockopt getsockopt getsockname getpeername
    epoll_create1 epoll_ctl epoll_wait eventfd read write close open openat syscall fstat lstat unlink pread
    clock_gettime time getrandom getaddrinfo freeaddrinfo
    pthread_create pthread_join pthread_cond_wait pthread_cond_signal pthread_cond_broadcast)

sim_program(world SOURCES world.c ${sim_kernel} WRAPS ${sim_memory} ${sim_calls})
sim_program(faults SOURCES faults.c faults_websocket.c faults_http.c faults_client.c faults_server.c faults_hub.c
                    disk.c stage.c ${sim_kernel}
            WRAPS ${sim_memory} ${sim_calls} LIBRARIES duet_hub)
sim_program(hub SOURCES hub.c disk.c versions.c ${sim_kernel} WRAPS ${sim_memory} ${sim_calls} LIBRARIES duet_hub)
