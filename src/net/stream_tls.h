/* SPDX-License-Identifier: MIT */
/* TLS over a socket, by OpenSSL: the other table of stream.h. */
#ifndef NET_STREAM_TLS_H
#define NET_STREAM_TLS_H

#include "net/stream.h"
#include <openssl/ssl.h>

extern const struct stream_ops stream_tls_ops;

/*
 * Puts TLS over the non-blocking socket of `s`, whose watch.fd is set: it is of the table above then. `ssl`
 * (tls_accept() on a server; a client's knows the name to verify) is taken, on failure too, and `s` is then as it was.
 * 0 or DUET_ERR_NOMEM, also for an `ssl` that is NULL. `s` must not move afterwards.
 *
 * Errors of its functions: DUET_ERR_EOF when the peer's FIN came without close_notify (TLS-8), DUET_ERR_TLS,
 * DUET_ERR_POLICY for more than 100 KeyUpdates a minute (TLS-5), -errno of the socket. The first one stays.
 *
 * After a handshake that is done, and whenever reading stops by choice, `buffered` may be true with a silent socket.
 */
int stream_tls_start(struct stream *s, duet_loop *loop, SSL *ssl);

/* Why the stream failed, in OpenSSL's words ("http request", "no application protocol"); NULL: it says no more than the
 * error does. Constant. */
const char *stream_tls_reason(const struct stream *s);

/* Whether a handshake that is done went on from an earlier session. False for a stream without TLS, or a closed one. */
bool stream_tls_resumed(const struct stream *s);

#endif
