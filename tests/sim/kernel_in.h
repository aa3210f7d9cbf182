/* SPDX-License-Identifier: MIT */
/* The kernel as its own files see it: kernel.c has descriptors, epoll, clock and threads, kernel_net.c the sockets,
 * kernel_fail.c the failing. */
#ifndef SIM_KERNEL_IN_H
#define SIM_KERNEL_IN_H

#include "kernel.h"
#include <sys/epoll.h>

struct pipe;

/* One TCP connection. Side 0 connected, side 1 was accepted. */
struct line {
    struct line *next;
    struct line *waiting; /* in a backlog */
    struct pipe *way[2];  /* what side `s` writes */
    bool gone[2];         /* side `s` has closed */
    bool dead[2];         /* side `s` knows that it was reset */
    int error[2];         /* what side `s` is told next */
    uint64_t reset_us[2]; /* when side `s` learns of a reset */
    uint64_t open_us;     /* when the connecting side learns of its fate */
    int fate;             /* 0, or the errno */
    bool open, silent;
    struct sockaddr_storage name[2];
    socklen_t name_len[2];
    int listener; /* that is to take it; -1: none */
};

enum sock_state { FRESH, BOUND, LISTENING, CONNECTING, CONNECTED };

struct sock {
    int family;
    enum sock_state state;
    struct sockaddr_storage name;
    socklen_t name_len;
    bool only_six, shares; /* IPV6_V6ONLY, SO_REUSEPORT */
    struct line *line;
    int side;
    struct line *backlog, **backlog_last;
    bool shut;
};

struct interest {
    int fd;
    uint32_t events;
    epoll_data_t data;
};

enum file_kind { FREE_FILE, NULL_FILE, EVENT_FILE, EPOLL_FILE, SOCKET_FILE };

struct file {
    enum file_kind kind;
    bool raw;
    uint64_t count;             /* EVENT */
    struct interest *interests; /* EPOLL */
    size_t interest_count, interest_cap;
    struct sock sock;
};

extern struct kernel {
    struct dice dice;
    struct kernel_weather weather;
    uint64_t now_us;
    struct file files[KERNEL_FILES];
    struct line *lines;
    unsigned next_port;
    long real_files; /* of the system, opened by the library and not closed */
    bool raw;        /* a raw peer's call is being made */
} kernel;

struct file *file_of(int fd);      /* NULL: not ours, or closed */
int file_new(enum file_kind kind); /* a descriptor; -1 with errno */

bool path_take(const char *path); /* a file for a unix socket; false: it is there */

/* kernel_thread.c */
void threads_boot(void);
uint64_t thread_next_us(void);

/* kernel_net.c */
uint32_t net_events(const struct file *f); /* as epoll sees the socket */
void net_close(struct file *f);
uint64_t net_next_us(void);
void net_advance(void);
void net_halt(void);

/* kernel_fail.c: the calls that can fail, with the errors that each can give. */
#define CALLS(X)                                                                                                       \
    X(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM, EAFNOSUPPORT)                                                           \
    X(bind, EADDRINUSE, EACCES, EADDRNOTAVAIL)                                                                         \
    X(listen, EADDRINUSE)                                                                                              \
    X(accept, EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EINTR, EPERM, EAGAIN)                                     \
    X(connect, ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EINTR)                                             \
    X(recv, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM, EINTR, EAGAIN)                                                \
    X(send, ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, ENOMEM, EINTR, EAGAIN)                                              \
    X(shutdown, ENOTCONN)                                                                                              \
    X(setsockopt, ENOPROTOOPT, ENOMEM)                                                                                 \
    X(getsockopt, ENOBUFS)                                                                                             \
    X(getsockname, ENOBUFS)                                                                                            \
    X(getpeername, ENOTCONN, ENOBUFS)                                                                                  \
    X(epoll_create1, EMFILE, ENFILE, ENOMEM)                                                                           \
    X(epoll_add, ENOSPC, ENOMEM)                                                                                       \
    X(epoll_mod, ENOMEM)                                                                                               \
    X(epoll_wait, EINTR)                                                                                               \
    X(eventfd, EMFILE, ENFILE, ENOMEM)                                                                                 \
    X(getrandom, EINTR, ENOSYS)                                                                                        \
    X(open, EMFILE, ENFILE, ENOENT, EACCES)                                                                            \
    X(openat2, EMFILE, ENFILE, ENOENT, EACCES, EINTR, ENOSYS)                                                          \
    X(openat, EMFILE, ENOENT, EACCES, ELOOP)                                                                           \
    X(fstat, EIO, EOVERFLOW)                                                                                           \
    X(pread, EIO, EINTR)                                                                                               \
    X(thread, EAGAIN)                                                                                                  \
    X(lookup, ENOMEM, EAGAIN, ENOENT, EIO)

enum call {
#define CALL_ENUM(name, ...) CALL_##name,
    CALLS(CALL_ENUM)
#undef CALL_ENUM
        CALL_COUNT
};

/* True: this call is to fail, and errno says how. */
bool fails(enum call call);
/* Each such call fails so from now on, as long as the scenario has its way. */
bool fails_for_ever(enum call call, int error);

#endif
