/* SPDX-License-Identifier: MIT */
/*
 * Client contexts of OpenSSL: whom to trust, and what one server has to show. The chain and the name are verified
 * together or not at all (TLS-9).
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
};

/* 0 or a negative error, and then one line naming the file in `why` (200 bytes). */
int tls_client_new(SSL_CTX **out, const struct tls_client_options *options, char *why);

/* What the verification of one connection found; it must outlive the SSL. */
struct tls_verdict {
    int error; /* X509_V_ERR_*; 0: nothing wrong */
    int alert; /* the fatal one that the server sent, such as for a client's certificate that it wants; 0: none */
};

/* The state of a new connection to the host called `name`, a DNS name or an IP address. Only names are sent as SNI
 * (RFC 6066 3). NULL without memory. */
SSL *tls_connect(SSL_CTX *context, const char *name, struct tls_verdict *verdict);

/* What is wrong as a sentence, into `out`; false: neither the certificate nor an alert. */
bool tls_verdict_text(const struct tls_verdict *v, const char *name, char *out, size_t size);

#endif
