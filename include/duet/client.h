/* SPDX-License-Identifier: MIT */
/*
 * A client: one connection to one URL, on your loop, with the same duet_conn and the same handler as a server's. With
 * `retry` it comes back when it was lost.
 *
 *   duet_connect()  -->  name, addresses, TLS, handshake  -->  open  -->  messages  -->  close
 *                                       |                                                  |
 *                                       +--> failed                                        +--> again, with `retry`
 *
 * Each attempt ends with exactly one call: the handler's `close` when it was open, else `failed`. All calls belong to
 * the loop's thread; callbacks come from its turns and from duet_client_free(), never from duet_connect().
 */
#ifndef DUET_CLIENT_H
#define DUET_CLIENT_H

#include <duet/conn.h>
#include <duet/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct duet_client duet_client;
typedef struct duet_client_group duet_client_group;

/* Why an attempt did not open. Borrowed until the callback returns. */
typedef struct duet_failure {
    int error;          /* DUET_ERR_RESOLVE, _TIMEOUT, _PROXY, _TLS, _HANDSHAKE ..., or -errno of the last address */
    unsigned status;    /* of the server's HTTP answer; 0: there was none. Never a proxy's */
    const char *detail; /* one line for people: which check failed, which field; never NULL */
    const char *body;   /* what came with a refusal, at most 64 KiB; not terminated, never to be trusted */
    size_t body_len;
    bool final;         /* there is no other attempt */
    unsigned retry_ms;  /* else: the wait before it */
    unsigned proxy_status; /* of an HTTP proxy that refused: 407, 502 ...; 0: none did */
} duet_failure;

/* Zero is the default everywhere; DUET_OFF turns a limit or timer off. */
typedef struct duet_client_config {
    size_t size; /* DUET_CLIENT_CONFIG_INIT */

    /* "ws://host:port/path?query", "wss://...", "http://..." and "https://..." (the same two), "unix:/run/app.sock".
     * Copied; a fragment or a user name is an error. */
    const char *url;
    duet_handler on; /* `open`, `message`, `drain`, `pong` and `close`; copied */
    void (*failed)(duet_client *client, const duet_failure *why);
    void *arg;        /* duet_client_arg() */
    size_t data_size; /* the block of each connection: 0 */

    /* The request. Borrowed until duet_client_free(); arrays end with NULL, headers with a NULL name. */
    const char *origin;
    const char *const *subprotocols; /* offered, in the order wanted */
    const duet_header *headers;      /* none that belongs to the handshake; Authorization, Cookie and the like */

    /* Limits, as duet_server_config. */
    unsigned message_max;
    bool pieces;
    unsigned queue_soft, queue_max;
    duet_when_full when_full;
    unsigned stall_ms;
    bool read_on; /* reading goes on while what `message` sends in answer is over the soft limit */
    unsigned control_per_s;

    /* Times. */
    unsigned resolve_ms; /* the name: 5 s, DUET_OFF */
    unsigned open_ms;    /* all from the start to OPEN: 10 s, DUET_OFF */
    unsigned ping_ms, pong_ms, close_ms, message_ms; /* as duet_proto_config */

    /* TLS, for wss and https: at least 1.2, and the certificate's chain and name are verified. Files are PEM, read by
     * duet_connect(). */
    const char *ca;        /* a file of certificates to trust instead of the system's */
    const char *cert;      /* a client's own certificate, the chain after it, and its key; both or none */
    const char *key;
    const char *tls_name;  /* the name to verify and ask for (SNI) instead of the URL's host; copied */
    bool insecure;         /* verify nothing: for tests */

    /*
     * Another attempt after one that failed or was lost, with full jitter (RFC 6455 7.2.3): a random wait up to
     * `retry_first_ms`, which doubles up to `retry_most_ms` while attempts fail; after Retry-After at least that. None
     * after duet_close() and duet_abort(), the peer's Close 1000 or 1008, an HTTP answer below 500 but 408, 425 and
     * 429 (the server's or a proxy's), a SOCKS5 proxy's own refusal, a certificate that does not verify, and a redirect
     * to where nothing can connect. TLS then goes on from the session before (duet_tls_resumed()) if the server can,
     * never with early data.
     */
    bool retry;
    unsigned retry_first_ms; /* 5 s */
    unsigned retry_most_ms;  /* 60 s */

    /* Each frame's head, in both directions. What is traced is not done yet: neither here nor in `trace_head` may the
     * connection be closed or aborted, or the client freed; sending is allowed. */
    void (*trace)(duet_conn *c, const duet_trace *frame);

    duet_deflate deflate; /* permessage-deflate is offered: off; never with `pieces` */

    /*
     * The way to the server: "http://user:password@host:port" (CONNECT, Basic), "socks5://user:password@host:port" or
     * "socks5h://..." (the same: either way the proxy looks the server's name up); NULL: straight. What a URL cannot
     * hold is percent-encoded in user and password, which go to the proxy alone, as `headers` go to the server alone.
     * Copied. With "unix:" URLs there is no proxy. duet_peer() of the connection is the proxy.
     */
    const char *proxy;
    /*
     * Without `proxy`: as the environment says, in duet_connect() and again where redirects lead. wss: https_proxy or
     * HTTPS_PROXY, ws: http_proxy, and never HTTP_PROXY, which a CGI program has from the request (httpoxy); then
     * all_proxy or ALL_PROXY. "host:port" is an HTTP proxy, an empty variable is none. no_proxy or NO_PROXY lists whom
     * to reach straight: "example.com" and ".example.com" (with all below it), addresses, "10.0.0.0/8", "*"; with
     * ":port" that port only.
     */
    bool proxy_env;

    /*
     * Keys of which the server must have one, beside all that is verified (or alone, with `insecure`): the base64 of
     * the SHA-256 of its certificate's SubjectPublicKeyInfo, as curl's --pinnedpubkey; "sha256/" may stand before it.
     * It is the server's own key that counts, not an authority's (that is `ca`), so list the next one, too. They hold
     * for whomever redirects lead to. The list ends with NULL, is not empty and goes with wss or https only; read by
     * duet_connect().
     */
    const char *const *pins;

    /*
     * How many redirects of one attempt are followed (301, 302, 303, 307 and 308): none, at most 5. `http` and `https`
     * mean ws and wss; TLS is never given up, nor is a socket file the way to or from. Once they lead to another origin
     * (scheme, host or port), there go of `headers` only User-Agent and Accept-Language, and not `cert`, however they
     * lead on; `ca`, `pins`, `insecure`, `origin`, `subprotocols` and `proxy` stay. `tls_name` is for the URL's own
     * host. The next attempt begins with `url` again.
     */
    unsigned redirects;

    /* The request and the answer of each attempt (of each hop of it), as duet_proto_config has it. */
    void (*trace_head)(duet_client *client, bool sent, const char *head, size_t len);

    /* The address of this machine to come from, such as "127.0.0.2"; only addresses of its family are tried. Copied. */
    const char *bind_address;
    duet_client_group *group; /* what it shares with other clients of its loop; NULL: nothing */
} duet_client_config;

#define DUET_CLIENT_CONFIG_INIT .size = sizeof(duet_client_config)

/*
 * Begins to connect. 0; or a negative error when this config can never work, and then one line of what to do in `why`
 * (200 bytes, may be NULL): DUET_ERR_URL, also for the proxy's; DUET_ERR_INVALID for a header or subprotocol that
 * breaks the handshake, or a pin that is none; DUET_ERR_TLS or -errno for a file; DUET_ERR_NOMEM.
 */
DUET_API int duet_connect(duet_client **out, duet_loop *loop, const duet_client_config *config, char *why);
/* Ends it in whatever state it is. An attempt that is under way ends now, with its `close` or with `failed`
 * (DUET_ERR_CLOSED) before this returns; nothing is called afterwards. Allowed inside any callback but `trace` and
 * `trace_head`, its own too. Free it before the loop. NULL is fine. */
DUET_API void duet_client_free(duet_client *client);

/*
 * What many clients of one loop need but once: buffers, randomness, and the certificates that the first of them trusts,
 * for all that name the same `ca`: ten thousand clients then read them one time. 0 or DUET_ERR_NOMEM.
 */
DUET_API int duet_client_group_new(duet_client_group **out, duet_loop *loop);
/* Nobody joins it from now on; what its clients use of it stays until they are gone. NULL is fine. */
DUET_API void duet_client_group_free(duet_client_group *group);

/* The open connection; NULL: there is none now. */
DUET_API duet_conn *duet_client_conn(const duet_client *client);
/* Where this attempt has got to: the config's URL, or where redirects led. Borrowed until the next callback. */
DUET_API const char *duet_client_url(const duet_client *client);
/* The client of a connection; NULL for a server's. */
DUET_API duet_client *duet_client_of(const duet_conn *c);
DUET_API void *duet_client_arg(const duet_client *client);
DUET_API duet_loop *duet_client_loop(const duet_client *client);

#ifdef __cplusplus
}
#endif
#endif
