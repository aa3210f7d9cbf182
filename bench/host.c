/* SPDX-License-Identifier: MIT */
/*
 * The server of bench/tails and bench/scale: everything on one loop, so that each can be measured beside the others.
 *
 *   bench_host PORT [TLS_PORT CERT KEY FOLDER]
 *
 * A WebSocket to /all gets what anybody sends there; /say publishes 100 bytes to them, /turns tells how long turns
 * took. With the other words a WebSocket to /echo gets back what it sends, one to /sink nothing, /files/ has the files
 * of FOLDER, there is TLS, and messages may be compressed. Without, there is nothing but what an idle member of a
 * topic needs.
 */
#include <duet/duet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MOST = 20 * 1024 * 1024, SAID = 100 };

/* What a connection is for; in its block, if it has one. */
enum kind { MEMBER, ECHO, SINK };

static bool mixed;

static void be_echo(duet_http *x, const duet_request *r)
{
    (void)r;
    *(char *)duet_http_data(x) = ECHO;
    duet_http_upgrade(x, NULL, NULL);
}

static void be_sink(duet_http *x, const duet_request *r)
{
    (void)r;
    *(char *)duet_http_data(x) = SINK;
    duet_http_upgrade(x, NULL, NULL);
}

static enum kind kind_of(const duet_conn *c)
{
    return mixed ? (enum kind) * (const char *)duet_data(c) : MEMBER;
}

static void join(duet_conn *c)
{
    if (kind_of(c) == MEMBER && duet_subscribe(c, "all") < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
}

static void answer(duet_conn *c, const duet_msg *m)
{
    if (kind_of(c) == ECHO)
        duet_send(c, m->type, m->data, m->len);
    if (kind_of(c) != MEMBER)
        return;
    duet_shared *shared = duet_msg_share(m);
    if (shared == NULL || duet_publish_shared(duet_server_of(c), "all", shared) < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
    duet_shared_unref(shared);
}

static void say(duet_http *x, const duet_request *r)
{
    char text[SAID];
    (void)r;
    memset(text, 'x', sizeof(text));
    int rc = duet_publish(duet_http_server(x), "all", DUET_TEXT, text, sizeof(text));
    duet_http_text(x, rc == 0 ? 200 : 503, rc == 0 ? "said" : "out of memory");
}

static void tell_turns(duet_http *x, const duet_request *r)
{
    static duet_server_stats stats;
    char text[DUET_TURN_BUCKETS * 24] = "[";
    (void)r;
    duet_server_read_stats(duet_http_server(x), &stats);
    for (int i = 0; i < DUET_TURN_BUCKETS; i++)
        sprintf(text + strlen(text), "%s%llu", i > 0 ? "," : "", (unsigned long long)stats.turns[i]);
    strcat(text, "]");
    duet_http_text(x, 200, text);
}

static int serve_with_tls(duet_server_config *config, char **argv)
{
    char url[64], why[200];
    const char *const also[] = { url, NULL }, *cert = argv[1], *key = argv[2];
    snprintf(url, sizeof(url), "wss://127.0.0.1:%s", argv[0]);
    if (duet_tls_new(&config->tls, &cert, &key, 1, why) < 0) {
        fprintf(stderr, "bench_host: %s\n", why);
        return 1;
    }
    config->listen_also = also;
    config->data_size = 1;
    config->deflate.on = true;
    config->deflate.inflated_per_s = DUET_OFF;
    int rc = duet_serve(config);
    duet_tls_free(config->tls);
    return rc;
}

int main(int argc, char **argv)
{
    mixed = argc == 6;
    duet_route routes[] = {
        { .path = "/all", .websocket = true },
        { .path = "/say", .http = say },
        { .path = "/turns", .http = tell_turns },
        { .path = mixed ? "/echo" : NULL, .websocket = true, .upgrade = be_echo },
        { .path = "/sink", .websocket = true, .upgrade = be_sink },
        { .path = "/files/", .root = mixed ? argv[5] : NULL },
        { .path = NULL },
    };
    char url[64];
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT, .listen = url,     .on = { .open = join, .message = answer },
        .routes = routes,        .read_on = true,   .message_max = MESSAGE_MOST,
        .queue_max = DUET_OFF,
    };
    if (argc != 2 && !mixed) {
        fprintf(stderr, "Usage: %s PORT [TLS_PORT CERT KEY FOLDER]\n", argv[0]);
        return 2;
    }
    snprintf(url, sizeof(url), "ws://127.0.0.1:%s", argv[1]);
    return mixed ? serve_with_tls(&config, argv + 2) : duet_serve(&config);
}
