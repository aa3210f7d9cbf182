/* SPDX-License-Identifier: MIT */
/* Sockets of the test's own, by the same calls. */
#include "kernel_in.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

static struct sockaddr_in here(unsigned port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int raw_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        abort();
    file_of(fd)->raw = true;
    return fd;
}

int raw_dial(unsigned port)
{
    struct sockaddr_in to = here(port);
    kernel.raw = true;
    int fd = raw_socket();
    int rc = connect(fd, (struct sockaddr *)&to, sizeof(to));
    if (rc < 0) {
        close(fd);
        fd = -1;
    }
    kernel.raw = false;
    return fd;
}

int raw_listen(unsigned port)
{
    struct sockaddr_in at = here(port);
    kernel.raw = true;
    int fd = raw_socket();
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 16) < 0)
        abort();
    kernel.raw = false;
    return fd;
}

int raw_accept(int fd)
{
    kernel.raw = true;
    int own = accept4(fd, NULL, NULL, 0);
    if (own >= 0)
        file_of(own)->raw = true;
    kernel.raw = false;
    return own;
}

size_t raw_send(int fd, const void *data, size_t len)
{
    kernel.raw = true;
    ssize_t n = len > 0 ? send(fd, data, len, MSG_NOSIGNAL) : 0;
    kernel.raw = false;
    return n > 0 ? (size_t)n : 0;
}

long raw_recv(int fd, void *to, size_t size)
{
    kernel.raw = true;
    ssize_t n = recv(fd, to, size, 0);
    kernel.raw = false;
    return n >= 0 ? n : errno == EAGAIN ? -1 : -2;
}

void raw_shut(int fd)
{
    kernel.raw = true;
    shutdown(fd, SHUT_WR);
    kernel.raw = false;
}

void raw_close(int fd)
{
    kernel.raw = true;
    if (fd >= 0)
        close(fd);
    kernel.raw = false;
}
