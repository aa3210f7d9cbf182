/* SPDX-License-Identifier: MIT */
/*
 * The door of web/apps/notify/: tells a page the token with which it may read the notifications of one user.
 *
 *     ws://127.0.0.1:8084/?user=ann    -->  eyJhbGciOiJIUzI1NiIs...   one message, then the end
 *
 * Whoever names a user gets in as that user, since this is a demonstration. In a site of your own this is what happens
 * behind the login, with the user of the session and not one of the query; the lines that make the token stay the same.
 * DUET_LISTEN says where to listen, DUET_TOKEN_SECRET is the secret that `duet serve` knows, too.
 */
#include "token.h"
#include <duet/duet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { USER_MOST = 32, GOOD_FOR_S = 3600 };

struct visitor {
    char user[USER_MOST + 2]; /* one more than there may be, and a zero byte */
};

/* The part of "https://host:port" or "host:port" that names the machine. */
static const char *host_of(const char *origin, size_t *len)
{
    const char *scheme = strstr(origin, "://"), *host = scheme ? scheme + 3 : origin;
    *len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    return host;
}

/* Pages of this machine's name only: they are the same site, if by another port. */
static bool is_neighbour(const duet_request *r)
{
    const char *origin = duet_request_origin(r), *own = duet_request_host(r);
    size_t a, b;
    if (origin == NULL)
        return true; /* no browser */
    origin = host_of(origin, &a);
    own = host_of(own ? own : "", &b);
    return a == b && memcmp(origin, own, a) == 0;
}

static void knock(duet_http *x, const duet_request *r)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    struct visitor *v = duet_http_data(x);
    long len = duet_request_param(r, "user", v->user, sizeof(v->user));
    if (!is_neighbour(r))
        duet_http_text(x, 403, "not from that page");
    else if (len <= 0 || len > USER_MOST || strspn(v->user, letters) != (size_t)len)
        duet_http_text(x, 400, "?user= is 1 to 32 of a-z, 0-9, _ and -");
    else
        duet_http_upgrade(x, NULL, NULL);
}

static void give_token(duet_conn *c)
{
    const struct visitor *v = duet_data(c);
    char payload[200], token[TOKEN_SIZE];
    snprintf(payload, sizeof(payload), "{\"sub\":\"%s\",\"exp\":%lld}", v->user, (long long)time(NULL) + GOOD_FOR_S);
    if (make_token(token, getenv("DUET_TOKEN_SECRET"), payload) == 0)
        duet_send(c, DUET_TEXT, token, strlen(token));
    duet_close(c, DUET_CODE_NORMAL, NULL);
}

int main(void)
{
    static const char *const any[] = { "*", NULL }; /* is_neighbour() looks closer */
    const char *listen = getenv("DUET_LISTEN");
    if (getenv("DUET_TOKEN_SECRET") == NULL) {
        fprintf(stderr, "notify: DUET_TOKEN_SECRET is to be the server's secret for tokens\n");
        return 2;
    }
    return duet_serve(&(duet_server_config){
        DUET_SERVER_CONFIG_INIT,
        .listen = listen ? listen : "ws://127.0.0.1:8084",
        .origins = any,
        .on = { .upgrade = knock, .open = give_token },
        .data_size = sizeof(struct visitor),
        .message_max = 1024,
    });
}
