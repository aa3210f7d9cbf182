/* SPDX-License-Identifier: MIT */
#include "kernel_in.h"
#include "sim.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ALARMS = 16, SOCKET_PATHS = 8, REAL_FILES = 1024, BOOT_US = 1000 * 1000 * 1000, EPOCH_S = 1800000000 };
static const uint64_t never = UINT64_MAX, life_us = 3 * 3600 * 1000000ull;

struct kernel kernel;

static struct {
    uint64_t at_us;
    void (*fn)(void *arg);
    void *arg;
} alarms[ALARMS];

static char socket_paths[SOCKET_PATHS][108]; /* files that bind() made */
static bool real_open[REAL_FILES];           /* the system's descriptors that the library opened */

int __real_close(int fd);
int __real_open(const char *path, int flags, ...);
int __real_openat(int at, const char *path, int flags, ...);
long __real_syscall(long number, ...);
int __real_fstat(int fd, struct stat *st);
int __real_lstat(const char *path, struct stat *st);
int __real_unlink(const char *path);
ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __real_pread(int fd, void *to, size_t size, off_t at);
int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out);
void __real_freeaddrinfo(struct addrinfo *list);

/* Files. */

struct file *file_of(int fd)
{
    if (fd < KERNEL_FD || fd >= KERNEL_FD + KERNEL_FILES || kernel.files[fd - KERNEL_FD].kind == FREE_FILE)
        return NULL;
    return &kernel.files[fd - KERNEL_FD];
}

int file_new(enum file_kind kind)
{
    for (int i = 0; i < KERNEL_FILES; i++) { /* the lowest that is free, as POSIX has it (NET-9) */
        if (kernel.files[i].kind != FREE_FILE)
            continue;
        kernel.files[i] = (struct file){ .kind = kind, .raw = kernel.raw };
        return KERNEL_FD + i;
    }
    errno = EMFILE;
    return -1;
}

static void forget(int fd)
{
    for (int i = 0; i < KERNEL_FILES; i++) {
        struct file *f = &kernel.files[i];
        for (size_t k = 0; f->kind == EPOLL_FILE && k < f->interest_count; k++)
            if (f->interests[k].fd == fd)
                f->interests[k--] = f->interests[--f->interest_count];
    }
}

int __wrap_close(int fd);
int __wrap_close(int fd)
{
    struct file *f = file_of(fd);
    if (fd >= KERNEL_FD && f == NULL)
        sim_failed(__FILE__, __LINE__, "a descriptor is closed once");
    if (f == NULL) {
        if (fd >= 0 && fd < REAL_FILES && real_open[fd]) {
            real_open[fd] = false;
            kernel.real_files--;
        }
        return __real_close(fd);
    }
    if (f->kind == SOCKET_FILE)
        net_close(f);
    free(f->interests);
    f->interests = NULL;
    f->interest_count = 0;
    f->kind = FREE_FILE;
    forget(fd);
    return 0;
}

static int opened(int fd)
{
    if (fd >= 0 && fd < REAL_FILES) {
        real_open[fd] = true;
        kernel.real_files++;
    }
    return fd;
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    if (fails(CALL_open))
        return -1;
    if (strcmp(path, "/dev/null") == 0)
        return file_new(NULL_FILE);
    return opened(__real_open(path, flags));
}

int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...)
{
    return fails(CALL_openat) ? -1 : opened(__real_openat(at, path, flags));
}

long __wrap_syscall(long number, long a, long b, long c, long d);
long __wrap_syscall(long number, long a, long b, long c, long d)
{
    if (number != SYS_openat2)
        abort();
    return fails(CALL_openat2) ? -1 : opened((int)__real_syscall(number, a, b, c, d));
}

int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st)
{
    return fails(CALL_fstat) ? -1 : __real_fstat(fd, st);
}

ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at)
{
    if (fails(CALL_pread))
        return -1;
    size_t most = kernel.weather.read_most ? dice_between(&kernel.dice, 1, kernel.weather.read_most) : size;
    return __real_pread(fd, to, most < size ? most : size, at);
}

static char *socket_path(const char *path)
{
    for (int i = 0; i < SOCKET_PATHS; i++)
        if (strcmp(socket_paths[i], path) == 0)
            return socket_paths[i];
    return NULL;
}

bool path_take(const char *path)
{
    char *at = socket_path(path) ? NULL : socket_path("");
    if (at != NULL)
        snprintf(at, sizeof(socket_paths[0]), "%s", path);
    return at != NULL;
}

int __wrap_lstat(const char *path, struct stat *st);
int __wrap_lstat(const char *path, struct stat *st)
{
    if (strncmp(path, "/sim/", 5) != 0)
        return __real_lstat(path, st);
    if (socket_path(path) == NULL) {
        errno = ENOENT;
        return -1;
    }
    memset(st, 0, sizeof(*st));
    st->st_mode = S_IFSOCK | 0600;
    return 0;
}

int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    char *at = socket_path(path);
    if (strncmp(path, "/sim/", 5) != 0)
        return __real_unlink(path);
    if (at != NULL)
        *at = 0;
    return at != NULL ? 0 : -1;
}

/* eventfd. */

int __wrap_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags)
{
    (void)flags;
    if (fails(CALL_eventfd))
        return -1;
    int fd = file_new(EVENT_FILE);
    if (fd >= 0)
        file_of(fd)->count = count;
    return fd;
}

ssize_t __wrap_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size)
{
    struct file *f = file_of(fd);
    if (f == NULL)
        return __real_read(fd, to, size);
    if (f->kind != EVENT_FILE || size != sizeof(f->count))
        abort();
    if (f->count == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(to, &f->count, size);
    f->count = 0;
    return (ssize_t)size;
}

ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    struct file *f = file_of(fd);
    uint64_t n;
    if (f == NULL)
        return __real_write(fd, data, len);
    if (f->kind != EVENT_FILE || len != sizeof(n))
        abort();
    memcpy(&n, data, sizeof(n));
    f->count += n;
    return (ssize_t)len;
}

/* epoll. */

int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
    (void)flags;
    return fails(CALL_epoll_create1) ? -1 : file_new(EPOLL_FILE);
}

static struct interest *interest_of(struct file *e, int fd)
{
    for (size_t i = 0; i < e->interest_count; i++)
        if (e->interests[i].fd == fd)
            return &e->interests[i];
    return NULL;
}

static int interest_add(struct file *e, int fd, const struct epoll_event *event)
{
    if (interest_of(e, fd) != NULL) {
        errno = EEXIST;
        return -1;
    }
    if (fails(CALL_epoll_add))
        return -1;
    if (e->interest_count == e->interest_cap || e->interests == NULL) {
        e->interest_cap = e->interests ? 2 * e->interest_cap : 8;
        e->interests = realloc(e->interests, e->interest_cap * sizeof(*e->interests));
    }
    e->interests[e->interest_count++] = (struct interest){ fd, event->events, event->data };
    return 0;
}

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    struct file *e = file_of(epoll);
    if (e == NULL || e->kind != EPOLL_FILE || file_of(fd) == NULL) {
        errno = EBADF;
        return -1;
    }
    if (what == EPOLL_CTL_ADD)
        return interest_add(e, fd, event);
    struct interest *i = interest_of(e, fd);
    if (i == NULL) {
        errno = ENOENT;
        return -1;
    }
    if (what == EPOLL_CTL_DEL) {
        *i = e->interests[--e->interest_count];
        return 0;
    }
    if (fails(CALL_epoll_mod))
        return -1;
    i->events = event->events;
    i->data = event->data;
    return 0;
}

static uint32_t events_of(int fd)
{
    const struct file *f = file_of(fd);
    if (f->kind == EVENT_FILE)
        return EPOLLOUT | (f->count > 0 ? EPOLLIN : 0);
    return f->kind == SOCKET_FILE ? net_events(f) : 0;
}

bool kernel_ready(int epoll)
{
    const struct file *e = file_of(epoll);
    for (size_t i = 0; i < e->interest_count; i++)
        if (events_of(e->interests[i].fd) & (e->interests[i].events | EPOLLHUP | EPOLLERR))
            return true;
    return false;
}

/* Those that are ready, in any order, at times only some. */
static int collect(const struct file *e, struct epoll_event *out, int most)
{
    int n = 0;
    size_t from = dice_below(&kernel.dice, e->interest_count ? e->interest_count : 1);
    for (size_t k = 0; k < e->interest_count && n < most; k++) {
        const struct interest *i = &e->interests[(from + k) % e->interest_count];
        uint32_t events = events_of(i->fd) & (i->events | EPOLLHUP | EPOLLERR);
        if (events == 0 && (i->events & EPOLLIN) && dice_one_in(&kernel.dice, kernel.weather.spurious_one_in))
            events = EPOLLIN;
        if (events != 0)
            out[n++] = (struct epoll_event){ .events = events, .data = i->data };
    }
    return n > 1 && kernel.weather.spurious_one_in && dice_one_in(&kernel.dice, 8) ? n / 2 : n;
}

uint64_t kernel_next_us(void)
{
    uint64_t next = net_next_us(), thread = thread_next_us();
    if (thread < next)
        next = thread;
    for (int i = 0; i < ALARMS; i++)
        if (alarms[i].fn != NULL && alarms[i].at_us < next)
            next = alarms[i].at_us;
    return next;
}

void kernel_advance(uint64_t to_us)
{
    if (to_us > kernel.now_us)
        kernel.now_us = to_us;
    net_advance();
    for (int i = 0; i < ALARMS; i++) {
        if (alarms[i].fn == NULL || alarms[i].at_us > kernel.now_us)
            continue;
        void (*fn)(void *arg) = alarms[i].fn;
        alarms[i].fn = NULL;
        fn(alarms[i].arg);
    }
}

void kernel_at(uint64_t at_us, void (*fn)(void *arg), void *arg)
{
    for (int i = 0; i < ALARMS; i++) {
        if (alarms[i].fn != NULL)
            continue;
        alarms[i].at_us = at_us;
        alarms[i].fn = fn;
        alarms[i].arg = arg;
        return;
    }
    abort();
}

int __wrap_epoll_wait(int epoll, struct epoll_event *out, int most, int timeout_ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *out, int most, int timeout_ms)
{
    const struct file *e = file_of(epoll);
    uint64_t end = timeout_ms < 0 ? never : kernel.now_us + (uint64_t)timeout_ms * 1000;
    net_advance();
    for (;;) {
        int n = collect(e, out, most);
        if (n > 0 || kernel.now_us >= end)
            return n;
        /* As in Linux, only who would wait is interrupted. */
        if (fails(CALL_epoll_wait))
            return -1;
        if (dice_one_in(&kernel.dice, kernel.weather.eintr_one_in)) {
            errno = EINTR;
            return -1;
        }
        uint64_t next = kernel_next_us();
        if (next == never && end == never)
            sim_failed(__FILE__, __LINE__, "what epoll_wait waits for can come");
        kernel_advance(next < end ? next : end);
        if (kernel.now_us > BOOT_US + life_us)
            sim_failed(__FILE__, __LINE__, "it ends in bounded time");
        kernel_run_threads();
    }
}

/* Clock and chance. */

uint64_t kernel_now_us(void)
{
    return kernel.now_us;
}

struct dice *kernel_dice(void)
{
    return &kernel.dice;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (kernel.weather.tick_us > 0)
        kernel.now_us += dice_below(&kernel.dice, kernel.weather.tick_us + 1);
    out->tv_sec = (time_t)(kernel.now_us / 1000000) + (clock == CLOCK_MONOTONIC ? 0 : EPOCH_S);
    out->tv_nsec = (long)(kernel.now_us % 1000000) * 1000;
    return 0;
}

time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
    time_t now = (time_t)(kernel.now_us / 1000000) + EPOCH_S;
    if (out != NULL)
        *out = now;
    return now;
}

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags)
{
    (void)flags;
    if (fails(CALL_getrandom))
        return -1;
    if (len > 256 && dice_one_in(&kernel.dice, kernel.weather.eintr_one_in))
        len = 256; /* a signal came */
    dice_fill(&kernel.dice, to, len);
    return (ssize_t)len;
}

/* Names. */

static struct addrinfo *address(const char *text, struct addrinfo *next)
{
    struct {
        struct addrinfo info;
        struct sockaddr_in6 at;
    } *a = calloc(1, sizeof(*a));
    struct sockaddr_in *four = (struct sockaddr_in *)&a->at;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        a->info.ai_addrlen = sizeof(*four);
    } else {
        inet_pton(AF_INET6, text, &a->at.sin6_addr);
        a->at.sin6_family = AF_INET6;
        a->info.ai_addrlen = sizeof(a->at);
    }
    a->info.ai_family = a->at.sin6_family;
    a->info.ai_addr = (struct sockaddr *)&a->at;
    a->info.ai_canonname = socket_paths[0]; /* ours */
    a->info.ai_next = next;
    return &a->info;
}

/* "one.sim" is 127.0.0.1, "two.sim" has ::1 before it and "dead.sim" a host that never answers; others end in none. */
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    const char *end = strrchr(host, '.');
    if (end == NULL || strcmp(end, ".sim") != 0)
        return __real_getaddrinfo(host, port, hints, out);
    if (fails(CALL_lookup))
        return errno == ENOMEM ? EAI_MEMORY : errno == EAGAIN ? EAI_AGAIN : errno == ENOENT ? EAI_NONAME : EAI_SYSTEM;
    if (strcmp(host, "one.sim") == 0)
        *out = address("127.0.0.1", NULL);
    else if (strcmp(host, "two.sim") == 0)
        *out = address("::1", address("127.0.0.1", NULL));
    else if (strcmp(host, "dead.sim") == 0)
        *out = address("192.0.2.1", address("127.0.0.1", NULL));
    else
        return EAI_NONAME;
    return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *list);
void __wrap_freeaddrinfo(struct addrinfo *list)
{
    if (list == NULL || list->ai_canonname != socket_paths[0]) {
        __real_freeaddrinfo(list);
        return;
    }
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

/* Begin and end. */

void kernel_boot(uint64_t seed, const struct kernel_weather *weather)
{
    memset(&kernel, 0, sizeof(kernel));
    memset(alarms, 0, sizeof(alarms));
    memset(socket_paths, 0, sizeof(socket_paths));
    memset(real_open, 0, sizeof(real_open));
    kernel.dice.state = seed;
    kernel.now_us = BOOT_US;
    if (weather != NULL)
        kernel.weather = *weather;
    kernel_no_ipv6 = false;
    threads_boot();
}

void kernel_turns(const struct kernel_weather *weather)
{
    kernel.weather = *weather;
}

unsigned kernel_open_files(void)
{
    unsigned n = (unsigned)kernel.real_files;
    for (int i = 0; i < KERNEL_FILES; i++)
        n += kernel.files[i].kind != FREE_FILE && !kernel.files[i].raw;
    return n;
}

void kernel_halt(void)
{
    for (int i = 0; i < KERNEL_FILES; i++)
        free(kernel.files[i].interests);
    net_halt();
    memset(&kernel, 0, sizeof(kernel));
}
