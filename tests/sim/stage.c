/* SPDX-License-Identifier: MIT */
#include "stage.h"
#include "cert.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DRAIN_MS = 2000 };

unsigned stage_patience;

struct stage stage;
char stage_folder[64];
static duet_tls *tls;
static const char *const ours[] = { "chat", NULL };

/* The server's application. */

static void on_upgrade(duet_http *x, const duet_request *r)
{
    const char *path = duet_request_path(r);
    stage.asked++;
    if (strcmp(path, "/refuse") == 0)
        duet_http_text(x, 403, "not here");
    else if (strcmp(path, "/later") == 0)
        stage.kept = x;
    else if (duet_http_upgrade(x, duet_request_offers(r, "chat") ? "chat" : NULL, NULL) < 0)
        duet_http_text(x, 500, "no memory");
}

static void on_gone(duet_http *x)
{
    stage.gone++;
    if (stage.kept == x)
        stage.kept = NULL;
}

static void on_open(duet_conn *c)
{
    unsigned *opened = duet_data(c);
    CHECK(*opened == 0);
    *opened = 1;
    stage.opens++;
    stage.last_id = duet_id(c);
    duet_subscribe(c, "all");
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    unsigned *opened = duet_data(c);
    CHECK(*opened == 1 && why->code != 0); /* once, after its open */
    *opened = 2;
    stage.closes++;
}

static void resume(duet_server *s, uint64_t id, void *arg)
{
    (void)arg;
    duet_conn *c = duet_conn_find(s, id);
    if (c != NULL)
        duet_resume(c);
}

static void in_parts(duet_conn *c, const duet_msg *m)
{
    if (duet_send_begin(c, m->type) < 0)
        return;
    duet_send_part(c, "one ", 4, false);
    duet_publish(duet_server_of(c), "all", DUET_TEXT, "in between", 10);
    duet_send_part(c, "two", 3, true);
}

static void send_back(duet_conn *c, const duet_msg *m)
{
    duet_shared *s = duet_msg_share(m);
    if (s == NULL)
        return;
    duet_send_shared(c, s);
    duet_publish_shared(duet_server_of(c), "all", s);
    duet_shared_unref(s);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    duet_server *s = duet_server_of(c);
    switch (m->len > 0 && m->first ? *(const char *)m->data : 0) {
    case '*':
        duet_publish(s, "all", m->type, m->data, m->len);
        break;
    case '^':
        duet_publish_except(c, "all", m->type, m->data, m->len);
        break;
    case '=':
        send_back(c, m);
        break;
    case '@':
        duet_send_to(s, stage.last_id, m->type, m->data, m->len);
        break;
    case '|':
        if (duet_post(s, duet_id(c), resume, NULL) == 0)
            duet_pause(c);
        break;
    case '%':
        in_parts(c, m);
        break;
    case '#':
        duet_send(c, DUET_BINARY, stage.large, STAGE_LARGE);
        break;
    case '?':
        duet_ping(c);
        break;
    case 'q':
        duet_close(c, 4000, "as you wish");
        break;
    case 'x':
        duet_abort(c);
        break;
    case '-':
        duet_unsubscribe(c, "all");
        duet_subscribe(c, "another");
        break;
    default:
        duet_send(c, m->type, m->data, m->len);
    }
}

static void say_hello(duet_http *x, const duet_request *r)
{
    size_t len;
    const char *body = duet_request_body(r, &len);
    stage.asked++;
    duet_http_reply(x, 200, NULL, len ? body : "hello", len ? len : 5);
}

static void keep(duet_http *x, const duet_request *r)
{
    (void)r;
    stage.asked++;
    stage.kept = x;
}

static void take_piece(duet_http *x, const void *data, size_t len, bool last)
{
    (void)data, (void)len;
    if (last)
        duet_http_text(x, 200, "all of it");
}

static void begin_pieces(duet_http *x, const duet_request *r)
{
    (void)x, (void)r;
    stage.asked++;
}

static void go_on(duet_http *x)
{
    if (duet_http_write(x, stage.large, 1000) == 0)
        duet_http_end(x);
}

static void stream(duet_http *x, const duet_request *r)
{
    static const duet_header type[] = { { "Content-Type", "text/event-stream" }, { NULL, NULL } };
    bool feed = strcmp(duet_request_path(r), "/feed") == 0;
    stage.asked++;
    if (duet_http_begin(x, 200, type) < 0)
        return;
    if (feed) {
        duet_http_subscribe(x, "all");
        duet_publish(duet_http_server(x), "all", DUET_TEXT, "data: 1\n\n", 9);
        return;
    }
    duet_http_on_drain(x, go_on);
    if (duet_http_write(x, stage.large, STAGE_LARGE) == 0 && !duet_http_congested(x))
        duet_http_end(x);
}

static void page(duet_http *x, const duet_request *r)
{
    static const duet_http_page it = { .type = "text/plain", .etag = "\"1\"", .data = "page", .len = 4 };
    stage.asked++;
    duet_http_page_reply(x, r, &it, NULL);
}

static void file(duet_http *x, const duet_request *r)
{
    stage.asked++;
    duet_http_file(x, r, stage_folder);
}

static const duet_route routes[] = {
    { .path = "/hello", .methods = "GET, POST", .http = say_hello, .cors = true },
    { .path = "/kept", .http = keep },
    { .path = "/pieces", .methods = "POST", .http = begin_pieces, .piece = take_piece },
    { .path = "/stream", .http = stream },
    { .path = "/feed", .http = stream },
    { .path = "/page", .http = page },
    { .path = "/file.txt", .http = file },
    { .path = "/file.large", .http = file },
    { .path = "/", .websocket = true },
    { 0 },
};

static const char *listen_url(unsigned how)
{
    return how & OVER_UNIX ? "unix:/sim/stage.sock" : how & OVER_TLS ? "wss://127.0.0.1:9001" : "ws://127.0.0.1:9001";
}

static const char *connect_url(unsigned how)
{
    return how & OVER_UNIX ? "unix:/sim/stage.sock" : how & OVER_TLS ? "wss://127.0.0.1:9001/" : "ws://127.0.0.1:9001/";
}

static duet_deflate deflate_of(unsigned how)
{
    return (duet_deflate){ .on = how & (DEFLATED | KEPT), .keep_window = how & KEPT, .least = 1 };
}

int stage_begin(unsigned how)
{
    static const char *const also[] = { "ws://127.0.0.1:9002", NULL };
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .listen = listen_url(how),
        .listen_also = also,
        .on = { .upgrade = on_upgrade, .open = on_open, .message = on_message, .close = on_close, .gone = on_gone },
        .data_size = sizeof(unsigned),
        .subprotocols = ours,
        .routes = routes,
        .pieces = how & IN_PIECES,
        .queue_soft = 64 * 1024,
        .queue_max = 512 * 1024,
        .drain_ms = DRAIN_MS,
        .memory_mib = DUET_OFF,
        .tls = how & OVER_TLS ? tls : NULL,
        .deflate = deflate_of(how)
    };
    uint8_t *large = stage.large ? stage.large : calloc(1, STAGE_LARGE);
    stage = (struct stage){ .how = how, .large = large };
    int rc = duet_loop_new(&stage.loop);
    if (rc == 0)
        rc = duet_server_new(&stage.server, &config, NULL);
    if (rc == 0)
        rc = duet_server_attach(stage.server, stage.loop);
    if (rc < 0) {
        duet_server_free(stage.server);
        duet_loop_free(stage.loop);
        stage.server = NULL;
        stage.loop = NULL;
        unlink("/sim/stage.sock");
    }
    return rc;
}

/* Time. */

static bool busy(void)
{
    return kernel_ready(duet_loop_fd(stage.loop)) || duet_loop_wait_ms(stage.loop) == 0;
}

void settle(unsigned ms)
{
    uint64_t end = kernel_now_us() + (uint64_t)ms * 1000;
    unsigned turns = 0;
    while (kernel_now_us() < end) {
        CHECK(turns < stage_patience); /* else it turns and turns, and nothing comes of it */
        if (busy()) {
            CHECK(duet_loop_turn(stage.loop, 0) >= 0);
            kernel_advance(kernel_now_us() + 20);
            turns++;
        } else {
            turns = 0;
            int wait = duet_loop_wait_ms(stage.loop);
            uint64_t next = kernel_next_us(), due = wait < 0 ? UINT64_MAX : kernel_now_us() + (uint64_t)wait * 1000;
            next = due < next ? due : next;
            kernel_advance(next < end ? next : end);
        }
        kernel_run_threads();
    }
}

/* Clients. */

static struct visitor *visitor_of(duet_client *cl)
{
    return duet_client_arg(cl);
}

static void client_open(duet_conn *c)
{
    struct visitor *v = visitor_of(duet_client_of(c));
    v->opens++;
    stage.resumed += duet_tls_resumed(c);
    CHECK(v->opens == v->closes + 1);
}

static void client_closed(duet_conn *c, const duet_closing *why)
{
    (void)why;
    struct visitor *v = visitor_of(duet_client_of(c));
    v->closes++;
    CHECK(v->opens == v->closes);
}

static void client_failed(duet_client *cl, const duet_failure *why)
{
    struct visitor *v = visitor_of(cl);
    CHECK(why->error < 0 && why->detail != NULL);
    CHECK(v->finals == 0);
    v->fails++;
    v->finals += why->final;
}

static void client_message(duet_conn *c, const duet_msg *m)
{
    (void)c;
    CHECK(m->data != NULL || m->len == 0);
}

int visit(const duet_client_config *more)
{
    duet_client_config config = more ? *more : (duet_client_config){ 0 };
    int i = 0;
    while (stage.visitors[i].used)
        i++;
    struct visitor *v = &stage.visitors[i];
    *v = (struct visitor){ .used = true, .retries = config.retry };
    config.size = sizeof(config);
    config.url = config.url ? config.url : connect_url(stage.how);
    config.on = (duet_handler){ .open = client_open, .message = client_message, .close = client_closed };
    config.failed = client_failed;
    config.arg = v;
    config.insecure = true;
    config.pieces = stage.how & IN_PIECES;
    config.queue_soft = 64 * 1024;
    config.deflate = deflate_of(stage.how);
    if (duet_connect(&v->client, stage.loop, &config, NULL) < 0) {
        *v = (struct visitor){ .used = true };
        return -1;
    }
    settle(30);
    return i;
}

duet_conn *conn(int i)
{
    return i >= 0 && stage.visitors[i].client != NULL ? duet_client_conn(stage.visitors[i].client) : NULL;
}

void tell(int i, const char *text)
{
    if (conn(i) != NULL)
        duet_send(conn(i), DUET_TEXT, text, strlen(text));
    settle(20);
}

void tell_bytes(int i, char first, size_t len)
{
    stage.large[0] = (uint8_t)first;
    if (conn(i) != NULL)
        duet_send(conn(i), DUET_BINARY, stage.large, len);
    settle(60);
}

/* Raw peers. */

int dial(void)
{
    return raw_dial(STAGE_PLAIN);
}

void say_raw(int fd, const char *text)
{
    if (fd >= 0)
        raw_send(fd, text, strlen(text));
    settle(20);
}

size_t hear_raw(int fd, char *to, size_t size)
{
    size_t have = 0;
    long n;
    while (fd >= 0 && have + 1 < size && (n = raw_recv(fd, to + have, size - 1 - have)) > 0)
        have += (size_t)n;
    to[have] = 0;
    return have;
}

void hang_up(int fd)
{
    char rest[4096];
    for (int i = 0; i < 200 && fd >= 0 && hear_raw(fd, rest, sizeof(rest)) > 0; i++)
        settle(1);
    raw_close(fd);
    settle(20);
}

void exchange(const char *first, const char *rest)
{
    int fd = dial();
    say_raw(fd, first);
    if (rest != NULL)
        say_raw(fd, rest);
    hang_up(fd);
}

/* The end. */

static void still_serves(void)
{
    static const char frame[] = "\x81\x8a\0\0\0\0still here";
    char got[4096];
    settle(100);
    int fd = raw_dial(STAGE_PLAIN);
    for (int i = 0; i < 20 && fd < 0; i++, fd = raw_dial(STAGE_PLAIN))
        settle(100);
    CHECK(fd >= 0);
    say_raw(fd, "GET / HTTP/1.1\r\nHost: a\r\n" STAGE_UPGRADE "\r\n");
    raw_send(fd, frame, sizeof(frame) - 1);
    size_t n = 0;
    for (int i = 0; i < 60 && n < 12; i++) { /* a listener may look away for a second */
        settle(20);
        n += hear_raw(fd, got + n, sizeof(got) - n);
    }
    settle(20);
    n += hear_raw(fd, got + n, sizeof(got) - n);
    CHECK(n > 12 && strstr(got, " 101 ") != NULL && memcmp(got + n - 10, "still here", 10) == 0);
    raw_close(fd);
    settle(20);
}

static void end_visitors(void)
{
    for (int i = 0; i < STAGE_CLIENTS; i++) {
        struct visitor *v = &stage.visitors[i];
        if (v->client == NULL)
            continue;
        duet_client_free(v->client);
        v->client = NULL;
        CHECK(v->opens == v->closes);
        if (v->retries)
            CHECK(v->closes + v->fails > 0);
        else
            CHECK(v->closes + v->fails == 1); /* one end, told once */
    }
}

static void end_all(void)
{
    duet_server_free(stage.server);
    while (kernel_waiting_threads() > 0 && kernel_next_us() != UINT64_MAX) {
        kernel_advance(kernel_next_us());
        kernel_run_threads();
    }
    duet_loop_free(stage.loop);
    CHECK(stage.opens == stage.closes);
    CHECK(stage.gone <= stage.asked);
    CHECK(kernel_open_files() == 0);
    CHECK(sim_held() == 0);
}

void stage_end(void)
{
    static duet_server_stats stats;
    if (!duet_server_draining(stage.server))
        still_serves();
    end_visitors();
    duet_server_drain(stage.server);
    for (int i = 0; i < (DRAIN_MS + 1500) / 50 && !duet_server_over(stage.server); i++)
        settle(50);
    CHECK(duet_server_over(stage.server));
    duet_server_read_stats(stage.server, &stats);
    CHECK(stats.connections == 0 && stats.websockets == 0 && stats.subscriptions == 0 && stats.topics == 0);
    end_all();
}

void stage_end_alone(void)
{
    if (stage.loop != NULL)
        settle(20);
    end_visitors();
    end_all();
}

void stage_open_tls(void)
{
    char cert[128], key[128], path[128], why[200] = "";
    snprintf(stage_folder, sizeof(stage_folder), "/tmp/duet-stage-%d", (int)getpid());
    mkdir(stage_folder, 0700);
    snprintf(cert, sizeof(cert), "%s/crt", stage_folder);
    snprintf(key, sizeof(key), "%s/key", stage_folder);
    cert_make_even(cert, key, "IP:127.0.0.1");
    const char *certs[] = { cert }, *keys[] = { key };
    if (duet_tls_new(&tls, certs, keys, 1, why) < 0) {
        printf("not ok - %s\n", why);
        exit(1);
    }
    unlink(cert);
    unlink(key);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", stage_folder, i ? "file.large" : "file.txt");
        FILE *f = fopen(path, "w");
        for (int k = 0; f != NULL && k < (i ? 20000 : 1); k++)
            fputs("a line of text\n", f);
        if (f != NULL)
            fclose(f);
    }
}

void stage_close_tls(void)
{
    char path[128];
    duet_tls_free(tls);
    free(stage.large);
    snprintf(path, sizeof(path), "%s/file.txt", stage_folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/file.large", stage_folder);
    unlink(path);
    rmdir(stage_folder);
}
