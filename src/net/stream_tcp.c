/* SPDX-License-Identifier: MIT */
#include "net/stream.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IOV_MOST = 1024 }; /* the kernel's UIO_MAXIOV; more is EMSGSIZE */

static int tcp_handshake(struct stream *s, uint32_t *want)
{
    (void)s;
    (void)want;
    return 1;
}

static ssize_t receive(int fd, void *to, size_t size, int flags)
{
    ssize_t n;
    do
        n = recv(fd, to, size, flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t tcp_read(struct stream *s, void *to, size_t size)
{
    return receive(s->watch.fd, to, size, 0);
}

static ssize_t tcp_write(struct stream *s, const struct iovec *iov, int count)
{
    if (count == 0)
        return 0;
    struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)(count < IOV_MOST ? count : IOV_MOST) };
    ssize_t n;
    do /* a single piece is cheaper so: no list to be copied in */
        n = count == 1 ? send(s->watch.fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                       : sendmsg(s->watch.fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static bool tcp_no(const struct stream *s)
{
    (void)s;
    return false;
}

static void tcp_shutdown(struct stream *s)
{
    shutdown(s->watch.fd, SHUT_WR);
}

static void tcp_close(struct stream *s, int fd)
{
    (void)s;
    close(fd);
}

const struct stream_ops stream_tcp_ops = {
    .handshake = tcp_handshake,
    .read = tcp_read,
    .write = tcp_write,
    .pending = tcp_no,
    .buffered = tcp_no,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
};

const struct stream_kind stream_tcp = { .ops = &stream_tcp_ops };

ssize_t stream_discard(struct stream *s, void *scratch, size_t size)
{
    if (s->as == &stream_tcp)
        return receive(s->watch.fd, scratch, size, MSG_TRUNC);
    return s->as->ops->read(s, scratch, size);
}
