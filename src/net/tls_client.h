/* SPDX-License-Identifier: MIT */
/*
 * Client contexts of OpenSSL: whom to trust, and what one server has to show. The chain and the name are verified
 * together or not at all (TLS-9); pins are a check of their own, beside that or alone.
 *
 * A context keeps what its last connection to a server left, so that the next one resumes the session: of TLS 1.3 one
 * ticket, used once (RFC 8446 C.4), of TLS 1.2 one session. It is the object that the connection holds anyway, so an
 * idle connection is no larger for it. Never early data. Before a session is offered, its certificate is checked again
 * for the name, its time and the pins: whoever resumes could also have passed a handshake of now.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include <duet/error.h>
#include <openssl/ssl.h>
#include <stdbool.h>

struct tls_client_options {
    const char *ca; /* a file; NULL: what the system trusts */
    const char *cert, *key;
    bool insecure;
    const char *const *pins; /* see duet_client_config; NULL: none */
    X509_STORE *trust; /* instead of reading `ca`; borrowed, and counted while it is used. NULL: none */
};

/* 0 or a negative error, and then one line naming the file in `why` (200 bytes). For one thread; SSL_CTX_free(). */
int tls_client_new(SSL_CTX **out, const struct tls_client_options *options, char *why);

enum { TLS_PIN_TEXT = 45 }; /* base64 of a SHA-256, and its end */

/* What the verification of one connection found; it must outlive the SSL. */
struct tls_verdict {
    int error; /* X509_V_ERR_*; 0: nothing wrong */
    int alert; /* the fatal one that the server sent, such as for a client's certificate that it wants; 0: none */
    char pin[TLS_PIN_TEXT]; /* what the server has, when that is none of the pins; else "" */
    bool stranger;
};

/*
 * The state of a new connection to the host called `name`, a DNS name or an IP address. Only names are sent as SNI (RFC
 * 6066 3). A `stranger` is one whom the application did not name (a redirect did): it is not shown our certificate, and
 * gets no session that was made with it. One connection of either kind at a time. NULL without memory.
 */
SSL *tls_connect(SSL_CTX *context, const char *name, bool stranger, struct tls_verdict *verdict);

/* What is wrong as a sentence, into `out`; false: neither the certificate nor an alert. */
bool tls_verdict_text(const struct tls_verdict *v, const char *name, char *out, size_t size);

#endif
