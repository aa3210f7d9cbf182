/* SPDX-License-Identifier: MIT */
/* A site: a folder of files, and beside it a WebSocket and answers to what is sent. */
#include <duet/duet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The body comes whole. */
static void echo(duet_http *x, const duet_request *r)
{
    size_t len;
    const void *body = duet_request_body(r, &len);
    const char *type = duet_request_header(r, "content-type");
    duet_header headers[] = { { "Content-Type", type ? type : "application/octet-stream" }, { NULL, NULL } };
    if (duet_http_reply(x, 200, headers, body, len) < 0)
        duet_http_text(x, 500, "This cannot be sent back.");
}

/* The body comes in pieces, as large as it likes: `count` hears of the request first. */
static void count(duet_http *x, const duet_request *r)
{
    (void)r;
    *(uint64_t *)duet_http_data(x) = 0;
}

static void count_piece(duet_http *x, const void *data, size_t len, bool last)
{
    (void)data;
    uint64_t *sum = duet_http_data(x);
    char line[64];
    *sum += len;
    if (!last)
        return;
    snprintf(line, sizeof(line), "%llu bytes", (unsigned long long)*sum);
    duet_http_text(x, 200, line);
}

static void say_back(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

int main(int argc, char **argv)
{
    static const duet_route routes[] = {
        { .path = "/api/echo", .methods = "POST, PUT", .http = echo },
        { .path = "/api/count", .methods = "POST", .http = count, .piece = count_piece },
        { .path = "/echo", .websocket = true },
        { .path = NULL },
    };
    if (argc != 3) {
        fprintf(stderr, "Usage: %s URL FOLDER\n", argv[0]);
        return 2;
    }
    return duet_serve(&(duet_server_config){
        DUET_SERVER_CONFIG_INIT,
        .listen = argv[1],
        .on = { .message = say_back },
        .data_size = sizeof(uint64_t),
        .routes = routes,
        .root = argv[2],
    });
}
