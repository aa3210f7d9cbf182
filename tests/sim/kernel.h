/* SPDX-License-Identifier: MIT */
/*
 * A kernel of the test's own: descriptors, sockets, epoll, eventfd, a clock, randomness and threads that run when it
 * says so. The library's calls reach it by the linker (--wrap), so that a whole server and its clients, as shipped, run
 * in one thread on virtual time, over a network whose weather comes from a seed.
 *
 * Its descriptors begin at KERNEL_FD; calls on others, such as files, go through to the system, counted.
 *
 * Every call can also be made to fail: kernel_fail() says which one, and with which of the errors that it can give.
 */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include "dice.h"
#include <sys/socket.h>

enum { KERNEL_FD = 100000, KERNEL_FILES = 128 };

/* Zero is fair weather: everything at once and whole, buffers of 256 KiB. */
struct kernel_weather {
    unsigned delay_us, jitter_us;
    size_t piece;          /* most bytes that arrive together; 0: all of a write */
    size_t buffer;         /* most bytes of a direction that nobody read yet */
    unsigned bytes_per_ms; /* 0: no limit */
    unsigned still_one_in; /* pieces, after which nothing comes for up to still_us */
    unsigned still_us;
    size_t read_most, write_most; /* of one call, drawn from 1 on; 0: all there is */
    unsigned again_one_in;        /* calls that would block though there is something */
    unsigned eintr_one_in;        /* calls that a signal interrupts */
    unsigned spurious_one_in;     /* epoll says readable though nothing is there */
    unsigned tick_us;             /* each look at the clock takes up to so long */
    bool reset_discards;          /* a reset throws away what was not read yet, as on some systems */
};

/* From now on everything is new; `seed` is all there is of chance. */
void kernel_boot(uint64_t seed, const struct kernel_weather *weather);
/* Another weather from now on. */
void kernel_turns(const struct kernel_weather *weather);
/* The descriptors that are open now, but for those of raw peers; the threads that wait to run. */
unsigned kernel_open_files(void);
unsigned kernel_waiting_threads(void);
/* Frees everything. */
void kernel_halt(void);

uint64_t kernel_now_us(void);
/* When something happens by itself; UINT64_MAX: never. */
uint64_t kernel_next_us(void);
void kernel_advance(uint64_t to_us);
/* Whether an epoll descriptor has events now. */
bool kernel_ready(int epoll);
/* Runs the threads that are due. */
void kernel_run_threads(void);
/* They run only when they are waited for: those of a server that has loops of its own, which would not come back. */
extern bool kernel_lazy_threads;
/* `fn` is called at that time, from kernel_advance() or a wait. At most 16 at a time. */
void kernel_at(uint64_t at_us, void (*fn)(void *arg), void *arg);
struct dice *kernel_dice(void);

/* One connection of all, drawn; false: there is none. RST at both ends, or silence for ever. */
bool kernel_cut(bool silent);
/* A host that answers nothing, for connect(): 192.0.2.1. No IPv6 on this machine: kernel_no_ipv6. */
extern bool kernel_no_ipv6;

/* Failing. */

/* The call number `nth` from now on fails with the error number `which` of those it can give; with `for_ever` so do all
 * later ones of its kind (EINTR: every other one). */
void kernel_fail(unsigned long nth, unsigned which, bool for_ever);
/* No more of that. How many calls there were. */
unsigned long kernel_fail_end(void);
/* After kernel_fail(): whether there was such an error of such a call, and its name, "recv: ECONNRESET". */
bool kernel_failed(void);
bool kernel_failed_with(int error);
const char *kernel_failed_name(void);

/* Raw peers: sockets of the test's own, whose calls do not fail and do not count. */

int raw_dial(unsigned port);
int raw_listen(unsigned port);
int raw_accept(int fd); /* -1: nobody waits */
/* How much was taken. */
size_t raw_send(int fd, const void *data, size_t len);
/* What is there: a count, 0 for the end, -1: nothing now, -2: reset. */
long raw_recv(int fd, void *to, size_t size);
void raw_shut(int fd);
void raw_close(int fd);

#endif
