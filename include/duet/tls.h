/* SPDX-License-Identifier: MIT */
/*
 * TLS for servers: certificates, loaded once and reloaded while serving.
 */
#ifndef DUET_TLS_H
#define DUET_TLS_H

#include <duet/error.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct duet_tls duet_tls;

/*
 * Loads certificate chains and their private keys (PEM). With several, a connection gets the one whose names match what
 * it asked for (SNI), else the first. `certs` and `keys` have `count` paths each, copied for reloading. TLS 1.2 at
 * least, ALPN http/1.1, no renegotiation, no early data, tickets with keys that rotate.
 * 0 or a negative error, and then one line naming the file in `why` (200 bytes, may be NULL).
 */
DUET_API int duet_tls_new(duet_tls **out, const char *const *certs, const char *const *keys, size_t count, char *why);
/* Reads the files again. On an error the old ones stay in force. Any thread. Results as above. */
DUET_API int duet_tls_reload(duet_tls *tls, char *why);
DUET_API void duet_tls_free(duet_tls *tls); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
