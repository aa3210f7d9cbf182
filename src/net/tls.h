/* SPDX-License-Identifier: MIT */
/* Server contexts of OpenSSL behind duet_tls: the certificates in force, chosen by name, and the keys of tickets. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <duet/tls.h>
#include <openssl/ssl.h>

/* The state of a new server connection, with the certificates in force now. It keeps alive what it needs, also past a
 * reload and past duet_tls_free(). NULL without memory. Any thread. */
SSL *tls_accept(duet_tls *t);

enum { TLS_TICKET_MS = 8 * 3600 * 1000 }; /* a key makes tickets for so long, and is known for as long again */

/* Makes a new ticket key when the current one is older than TLS_TICKET_MS at this time (CLOCK_MONOTONIC). Handshakes do
 * it themselves; a test passes a time of its own. Any thread. 0 or DUET_ERR_RANDOM, and then the old key stays. */
int tls_rotate(duet_tls *t, uint64_t now_ms);

#endif
