/* SPDX-License-Identifier: MIT */
/*
 * Bytes to and from a peer: plain sockets (TCP, unix) or TLS over them, one table of functions each.
 * Results: > 0 bytes, 0 end of file (read only), -EAGAIN would block, other -errno or DUET_ERR_* the stream is dead.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/loop.h"
#include <sys/types.h>
#include <sys/uio.h>

struct stream;

struct stream_ops {
    /* 1 done, 0 in progress (*want gets LOOP_IN or LOOP_OUT), or an error. Plain sockets are done at once. */
    int (*handshake)(struct stream *s, uint32_t *want);
    ssize_t (*read)(struct stream *s, void *to, size_t size);
    /* Takes up to all of it; a short count means that the socket is full. TLS keeps what it encrypted and could not
     * write; then `pending` is true, LOOP_OUT is due, and write(s, NULL, 0) goes on with it. */
    ssize_t (*write)(struct stream *s, const struct iovec *iov, int count);
    bool (*pending)(const struct stream *s);  /* encrypted bytes wait for the socket */
    bool (*buffered)(const struct stream *s); /* read bytes wait for us though the socket may be silent (TLS-7) */
    void (*shutdown)(struct stream *s);       /* TLS: close_notify; then SHUT_WR */
    void (*close)(struct stream *s, int fd);  /* frees what is the stream's and closes `fd`; the watch is gone */
};

/* What a stream is: the first member of whatever its table needs. A plain socket's needs nothing. */
struct stream_kind {
    const struct stream_ops *ops;
    bool tls;
};

struct stream {
    struct spot watch; /* first; watch.fd is the socket */
    const struct stream_kind *as;
};

extern const struct stream_ops stream_tcp_ops;

/* Only TLS keeps anything. */
static inline bool stream_pending(const struct stream *s)
{
    return s->as->tls && s->as->ops->pending(s);
}

static inline bool stream_buffered(const struct stream *s)
{
    return s->as->tls && s->as->ops->buffered(s);
}

extern const struct stream_kind stream_tcp;

/* Throws away up to `size` bytes of input, without copying them on TCP (MSG_TRUNC); `scratch` has room for them.
 * Results as read. */
ssize_t stream_discard(struct stream *s, void *scratch, size_t size);

#endif
