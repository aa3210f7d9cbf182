/* SPDX-License-Identifier: MIT */
/*
 * What backends ask by the API, while a client of the Centrifugal protocol is there: each question has an answer that
 * is good JSON, and so is all that the client is told; nothing is left in the hub when they are gone. Data: requests,
 * METHOD and a blank before what it is to do, with a NUL byte behind each.
 */
#include "fuzz.h"
#include "base/jsonread.h"
#include "wire/api.h"
#include "wire/centrifugal.h"
#include "wire/centrifugal_command.h"
#include "wire/wire.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { OUT_MOST = 1 << 19, REQUESTS_MOST = 8 };

static struct {
    struct wire_site site; /* first */
    uint64_t now_ms;
} ways;
static duet_loop *loop;
static duet_server *server;
static char path[64];

struct end {
    int fd;
    size_t len;
    uint8_t in[OUT_MOST];
};
static struct end backend, client;

static uint64_t clock_of(void *arg)
{
    (void)arg;
    return ways.now_ms;
}

static int zeros(void *arg, void *to, size_t len)
{
    (void)arg;
    memset(to, 0, len);
    return 0;
}

static void hear(struct end *e)
{
    ssize_t n;
    while (e->len < OUT_MOST && (n = recv(e->fd, e->in + e->len, OUT_MOST - e->len, MSG_DONTWAIT)) > 0)
        e->len += (size_t)n;
}

static void turn(void)
{
    for (int quiet = 0; quiet < 3;)
        quiet = duet_loop_turn(loop, 0) > 0 || duet_loop_wait_ms(loop) == 0 ? 0 : quiet + 1;
    hear(&backend);
    hear(&client);
}

static void give(const struct end *e, const void *data, size_t len)
{
    const char *at = data;
    for (int idle = 0; len > 0 && idle < 3;) {
        ssize_t n = send(e->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        turn();
    }
}

static void dial(struct end *e)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path + 5);
    e->len = 0;
    e->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(e->fd >= 0 && connect(e->fd, (struct sockaddr *)&at, sizeof(at)) == 0);
}

/* Judging. */

static struct json_slice member(struct json_slice object, const char *name)
{
    struct json_slice key, value;
    for (struct json_each e = json_each(object); json_next(&e, &key, &value);)
        if (json_is(key, name))
            return value;
    return (struct json_slice){ NULL, 0 };
}

static void judge_answer(const char *text, size_t len)
{
    struct json_slice value;
    CHECK(json_check(text, len, API_DEPTH_MOST + 8, &value) && json_kind_of(value) == '{');
    CHECK(member(value, "result").text != NULL || member(value, "error").text != NULL ||
          member(value, "replies").text != NULL);
}

/* The answer to one request, which is all that came. */
static void judge_response(bool plain)
{
    const uint8_t *body = memmem(backend.in, backend.len, "\r\n\r\n", 4);
    const char *field = memmem(backend.in, backend.len, "Content-Length: ", 16);
    CHECK(body != NULL && field != NULL);
    size_t len = strtoul(field + 16, NULL, 10);
    int status = atoi((const char *)backend.in + 9);
    CHECK(body + 4 + len == backend.in + backend.len);
    CHECK(status == 200 || status == 400 || (status == 404 && !plain));
    if (status == 200)
        judge_answer((const char *)body + 4, len);
}

/* All frames behind the 101. */
static void judge_frames(void)
{
    const uint8_t *at = memmem(client.in, client.len, "\r\n\r\n", 4), *end = client.in + client.len;
    CHECK(at != NULL);
    for (at += 4; end - at >= 4;) {
        size_t head = at[1] < 126 ? 2 : at[1] == 126 ? 4 : 10, n = head == 2 ? at[1] : (size_t)(at[2] << 8 | at[3]);
        struct json_slice value;
        if (head == 10 || (size_t)(end - at) < head + n)
            return;
        if (at[0] == 0x81) {
            CHECK(json_check((const char *)at + head, n, CENTRIFUGAL_DEPTH, &value) && json_kind_of(value) == '{');
            CHECK(memchr(at + head, '\n', n) == NULL);
        }
        at += head + n;
    }
}

/* A request. */

static void ask(const char *text, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    char head[200], method[32] = "";
    const char *blank = memchr(text, ' ', len);
    size_t name = blank != NULL ? (size_t)(blank - text) : 0;
    if (name == 0 || name >= sizeof(method))
        return;
    memcpy(method, text, name);
    if (strspn(method, letters) != name)
        return;
    size_t rest = len - name - 1;
    int n =
        snprintf(head, sizeof(head), "POST /api/%s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", method, rest);
    backend.len = 0;
    give(&backend, head, (size_t)n);
    give(&backend, blank + 1, rest);
    turn();
    judge_response(strcmp(method, "info") == 0);
}

/* The server stays; the hub is another one for each input. */

static void make_server(void)
{
    static const duet_route routes[] = {
        { .path = API_PATH, .http = api_http, .methods = "POST" },
        CENTRIFUGAL_ROUTES,
        { 0 },
    };
    snprintf(path, sizeof(path), "unix:/tmp/duet-fuzz-api-%ld", (long)getpid());
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = path,   .on = wire_handler, .arg = &ways,
                                  .data_size = WIRE_DATA,  .routes = routes, .ping_ms = DUET_OFF };
    CHECK(duet_loop_new(&loop) == 0 && duet_server_new(&server, &config, NULL) == 0);
    CHECK(duet_server_attach(server, loop) == 0);
}

static void make_hub(void)
{
    static struct hub_options spaces[3];
    struct hub_config config = { .namespaces = spaces, .count = 3, .clock = clock_of, .random = zeros };
    struct hub *hub;
    char why[HUB_WHY];
    for (int i = 0; i < 3; i++) {
        struct hub_options *o = &spaces[i];
        hub_options_default(o);
        o->history_size = i < 2 ? 3 : 0;
        o->history_ttl_ms = 60000;
        o->allow_recovery = o->presence = o->join_leave = i == 0;
    }
    strcpy(spaces[1].name, "dd");
    spaces[1].kinds = 1u << HUB_BINARY;
    strcpy(spaces[2].name, "nn");
    ways.now_ms = 1000;
    hub_limits_default(&config.limits);
    config.limits.channels_per_connection = 3;
    CHECK(hub_new(&hub, &config, why) == 0 && wire_init(&ways.site, hub) == 0);
    hub_attach(hub, server);
}

static void greet(void)
{
    static const char opening[] =
        "GET /connection/websocket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    static const char hello[] = "\x81\x95\0\0\0\0{\"id\":1,\"connect\":{}}";
    dial(&client);
    give(&client, opening, sizeof(opening) - 1);
    give(&client, hello, sizeof(hello) - 1);
    turn();
    dial(&backend);
}

static void end_hub(void)
{
    struct hub_stats stats;
    close(backend.fd);
    close(client.fd);
    turn(); /* their ends are told */
    hub_read_stats(ways.site.hub, &stats);
    CHECK(stats.sessions == 0 && stats.subscriptions == 0 && stats.users == 0);
    hub_stop(ways.site.hub);
    hub_free(ways.site.hub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    if (size > 4096)
        return 0;
    if (loop == NULL)
        make_server();
    make_hub();
    greet();
    for (int i = 0; i < REQUESTS_MOST && at < end; i++) {
        const char *nul = memchr(at, 0, (size_t)(end - at));
        size_t len = (size_t)((nul != NULL ? nul : end) - at);
        ask(at, len);
        at += len + 1;
        if (at > end)
            break;
    }
    judge_frames();
    end_hub();
    return 0;
}
