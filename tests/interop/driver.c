/* SPDX-License-Identifier: MIT */
/*
 * Duet as one side of the matrix: it leads, the other program echoes.
 *
 *   driver server URL         prints `port N`, and serves two connections
 *   driver client URL         makes two connections, one after the other
 *
 * Options: --ca FILE, --cert FILE --key FILE, --deflate, --without STEP, --served (the other side is a channel of
 * `duet serve`, which obeys nobody: it closes the second connection when it is stopped, after `waiting`), --break (a
 * wrong octet is sent once, so that the matrix is seen to fail).
 *
 * The first connection goes through `steps` and is closed from here; of the second the other side is asked to close.
 * Each result is a line, `ok NAME` or `miss NAME: what`. `sent N M` is what the other side must have received on the
 * first connection: messages, and octets of them. `over` is the last line; the program ends with its standard input, so
 * that a peer who closes TCP last finds somebody there. The exit code is 0 without a miss.
 *
 * What the other side is told to do, by texts: "!parts ..." comes back in two or more frames, "!ping" is answered by a
 * ping and, once its pong came, by the text "pong"; "!close" by a Close, 1000 and "from the peer".
 */
#include <duet/duet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 1 << 20, FLIGHT = 200, PATIENCE_MS = 60000 };

struct step {
    const char *name;
    duet_type type;
    size_t len;
    unsigned count; /* messages that come back */
    enum { ECHO, OUR_PARTS, THEIR_PARTS, OUR_PING, THEIR_PING, IN_FLIGHT } how;
};

static const struct step steps[] = {
#define SIZE(n)                                                                                                        \
    { "text of " #n " B", DUET_TEXT, n, 1, ECHO }, { "binary of " #n " B", DUET_BINARY, n, 1, ECHO }
    SIZE(0), SIZE(1), SIZE(125), SIZE(126), SIZE(65535), SIZE(65536), SIZE(1048576),
    { "our fragments of text", DUET_TEXT, 70000, 1, OUR_PARTS },
    { "our fragments of binary", DUET_BINARY, 70000, 1, OUR_PARTS },
    { "their fragments", DUET_TEXT, 70000, 1, THEIR_PARTS },
    { "our ping", 0, 0, 0, OUR_PING },
    { "their ping", 0, 0, 1, THEIR_PING },
    { "200 in flight", DUET_TEXT, 0, FLIGHT, IN_FLIGHT },
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static char wanted[MOST + 16];
static duet_loop *loop;
static duet_server *server;
static duet_client *client;
static duet_client_config client_config;
static unsigned connection; /* 1 or 2 */
static unsigned at, received; /* the step, and its messages so far */
static unsigned continuations, pings;
static unsigned long sent_messages, sent_octets;
static const char *without[4];
static bool deflate, spoil, served;
static bool over;
static int result;

static void finish(void)
{
    if (!over)
        printf("over\n");
    over = true;
    fflush(stdout);
}

__attribute__((format(printf, 3, 4))) static void verdict(bool ok, const char *name, const char *what, ...)
{
    va_list list;
    va_start(list, what);
    printf("%s %s", ok ? "ok" : "miss", name);
    if (!ok) {
        printf(": ");
        vprintf(what, list);
        result = 1;
    }
    printf("\n");
    fflush(stdout);
    va_end(list);
}

/* Characters of one to four octets, from several scripts, right to left ones and combining ones among them. */
static void fill_text(char *out, size_t len, unsigned seed)
{
    static const char *const letters[] = { "a", "é", "Ж", "ش", "世", "界", "ह", "ी", "𝄞", "😀",
                                          "e\u0301", "א", "Z", "9" };
    size_t n = 0;
    for (unsigned i = seed;; i = i * 1103515245 + 12345) {
        const char *letter = letters[(i >> 16) % (sizeof(letters) / sizeof(letters[0]))];
        if (n + strlen(letter) > len)
            break;
        memcpy(out + n, letter, strlen(letter));
        n += strlen(letter);
    }
    memset(out + n, 'x', len - n);
}

static void fill_binary(char *out, size_t len, unsigned seed)
{
    unsigned x = seed * 2654435761u + 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1103515245 + 12345;
        out[i] = (char)(x >> 16);
    }
}

/* Puts message `i` of a step into `wanted`: what goes out, and what must come back. Returns its length. */
static size_t compose(const struct step *s, unsigned i, duet_type *type)
{
    size_t len = s->len;
    *type = s->type;
    if (s->how == IN_FLIGHT) {
        len = i * 37 % 2000;
        *type = i % 3 == 0 ? DUET_BINARY : DUET_TEXT;
    }
    if (s->how == THEIR_PING) {
        *type = DUET_TEXT;
        memcpy(wanted, "pong", len = 4);
    } else if (s->how == THEIR_PARTS) {
        memcpy(wanted, "!parts", 6);
        fill_text(wanted + 6, len - 6, i);
    } else if (*type == DUET_BINARY) {
        fill_binary(wanted, len, i + (unsigned)len);
    } else {
        fill_text(wanted, len, i + (unsigned)len);
    }
    return len;
}

static void count(size_t len)
{
    sent_messages++;
    sent_octets += len;
}

static void send_whole(duet_conn *c, duet_type type, size_t len)
{
    if (spoil && len > 0) {
        wanted[len - 1] ^= 1;
        spoil = false;
    }
    count(len);
    if (duet_send(c, type, wanted, len) < 0)
        verdict(false, steps[at].name, "it was not sent");
}

/* Cut inside of characters, and with an empty frame in the middle. */
static void send_parts(duet_conn *c, duet_type type, size_t len)
{
    static const size_t sizes[] = { 1, 125, 0, 126, 40001, 7 };
    size_t done = 0;
    count(len);
    int rc = duet_send_begin(c, type);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        rc = rc < 0 ? rc : duet_send_part(c, wanted + done, sizes[i], false);
        done += sizes[i];
    }
    rc = rc < 0 ? rc : duet_send_part(c, wanted + done, len - done, true);
    if (rc < 0)
        verdict(false, steps[at].name, "%s", duet_strerror(rc));
}

static void send_order(duet_conn *c, const char *order)
{
    count(strlen(order));
    duet_send(c, DUET_TEXT, order, strlen(order));
}

static bool left_out(const struct step *s)
{
    if (served && (s->how == THEIR_PARTS || s->how == THEIR_PING))
        return true;
    for (unsigned i = 0; i < sizeof(without) / sizeof(without[0]); i++)
        if (without[i] != NULL && strcmp(without[i], s->name) == 0)
            return true;
    return false;
}

static void begin(duet_conn *c)
{
    duet_type type;
    while (at < STEPS && left_out(&steps[at]))
        at++;
    if (at == STEPS) {
        printf("sent %lu %lu\n", sent_messages, sent_octets);
        duet_close(c, DUET_CODE_NORMAL, "from duet");
        return;
    }
    const struct step *s = &steps[at];
    received = continuations = pings = 0;
    if (s->how == OUR_PING) {
        duet_ping(c);
    } else if (s->how == THEIR_PING) {
        send_order(c, "!ping");
    } else if (s->how == OUR_PARTS) {
        size_t len = compose(s, 0, &type);
        send_parts(c, type, len);
    } else {
        for (unsigned i = 0; i < s->count; i++) {
            size_t len = compose(s, i, &type);
            send_whole(c, type, len);
        }
    }
}

static void next(duet_conn *c)
{
    at++;
    begin(c);
}

static void opened(duet_conn *c)
{
    connection++;
    const char *agreed = duet_subprotocol(c);
    if (served)
        verdict(agreed == NULL, "open", "the subprotocol is %s", agreed);
    else
        verdict(agreed != NULL && strcmp(agreed, "interop.v1") == 0, "open with a subprotocol", "it is %s",
                agreed != NULL ? agreed : "none");
    verdict(duet_deflates(c) == deflate, "permessage-deflate as configured", "%s", deflate ? "declined" : "agreed on");
    if (server != NULL)
        duet_conn_trace(c);
    if (connection == 1)
        begin(c);
    else if (!served)
        duet_send(c, DUET_TEXT, "!close", 6);
    else
        printf("waiting\n");
    fflush(stdout);
}

static void message(duet_conn *c, const duet_msg *m)
{
    if (connection != 1 || at >= STEPS) {
        verdict(false, "no message that nobody asked for", "%zu octets", m->len);
        return;
    }
    const struct step *s = &steps[at];
    duet_type type;
    size_t len = compose(s, received, &type);
    size_t same = 0;
    while (same < len && same < m->len && wanted[same] == ((const char *)m->data)[same])
        same++;
    if (m->type != type || m->len != len || same != len) {
        verdict(false, s->name, "of message %u came back %s of %zu octets, not %s of %zu; alike are the first %zu",
                received, m->type == DUET_TEXT ? "text" : "binary", m->len, type == DUET_TEXT ? "text" : "binary", len,
                same);
        duet_close(c, DUET_CODE_NORMAL, "a miss");
        return;
    }
    if (++received < s->count)
        return;
    if (s->how == THEIR_PARTS)
        verdict(continuations > 0, s->name, "it came in one frame");
    else if (s->how == THEIR_PING)
        verdict(pings > 0, s->name, "no ping came");
    else
        verdict(true, s->name, " ");
    next(c);
}

static void pong(duet_conn *c, unsigned rtt_us)
{
    (void)rtt_us;
    if (connection != 1 || at >= STEPS || steps[at].how != OUR_PING)
        return;
    verdict(true, steps[at].name, " ");
    next(c);
}

static void trace(duet_conn *c, const duet_trace *frame)
{
    (void)c;
    if (frame->sent)
        return;
    continuations += frame->opcode == 0;
    pings += frame->opcode == 9;
}

static void again(void *arg)
{
    (void)arg;
    char why[200];
    duet_client_free(client);
    client = NULL;
    if (duet_connect(&client, loop, &client_config, why) < 0) {
        verdict(false, "connect", "%s", why);
        finish();
    }
}

static void closed(duet_conn *c, const duet_closing *why)
{
    (void)c;
    const char *name = connection == 1 ? "our Close is answered" : "their Close";
    const char *reason = connection == 1 || served ? NULL : "from the peer";
    unsigned code = connection == 2 && served ? DUET_CODE_AWAY : DUET_CODE_NORMAL;
    verdict(connection == 2 || at == STEPS, "every step", "it ended in \"%s\"", steps[at % STEPS].name);
    verdict(why->code == code && why->error == 0 &&
                (reason == NULL || (why->reason_len == strlen(reason) &&
                                    memcmp(why->reason, reason, why->reason_len) == 0)),
            name, "code %u, reason \"%.*s\", %s", why->code, (int)why->reason_len,
            why->reason != NULL ? why->reason : "", duet_strerror(why->error));
    static duet_timer *later;
    if (connection == 2 || result != 0)
        finish();
    else if (server == NULL && (later = duet_timer_new(loop, again, NULL)) != NULL)
        duet_timer_set(later, 1);
}

static void failed(duet_client *which, const duet_failure *why)
{
    (void)which;
    verdict(false, "connect", "%s", why->detail);
    finish();
}

static void late(void *arg)
{
    (void)arg;
    if (over)
        return;
    verdict(false, at < STEPS ? steps[at].name : "closing", "nothing came for too long, connection %u, message %u",
            connection, received);
    finish();
}

static void input(void *arg, int fd, int events)
{
    (void)arg, (void)events;
    char c;
    if (read(fd, &c, 1) <= 0)
        duet_loop_stop(loop);
}

static const char *const offered[] = { "elsewhere.v1", "interop.v1", NULL };
static const char *const taken[] = { "interop.v1", NULL };
static const char *const any[] = { "*", NULL };

static int serve(const char *url, const char *cert, const char *key)
{
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .listen = url,
        .on = { .open = opened, .message = message, .pong = pong, .close = closed },
        .message_max = MOST,
        .queue_max = DUET_OFF,
        .origins = any, /* a browser's page is from elsewhere */
        .subprotocols = taken,
        .trace = trace,
        .deflate = { .on = deflate },
        .ping_ms = DUET_OFF,
    };
    char why[200] = "";
    if (cert != NULL && duet_tls_new(&config.tls, &cert, &key, 1, why) < 0)
        return -1;
    if (duet_server_new(&server, &config, why) < 0 || duet_server_attach(server, loop) < 0) {
        fprintf(stderr, "driver: %s\n", why);
        return -1;
    }
    printf("port %u\n", duet_server_port(server, 0));
    fflush(stdout);
    return 0;
}

static int visit(const char *url, const char *ca)
{
    client_config = (duet_client_config){
        DUET_CLIENT_CONFIG_INIT,
        .url = url,
        .ca = ca,
        .on = { .open = opened, .message = message, .pong = pong, .close = closed },
        .failed = failed,
        .subprotocols = offered,
        .message_max = MOST,
        .queue_max = DUET_OFF,
        .trace = trace,
        .deflate = { .on = deflate },
        .ping_ms = DUET_OFF,
    };
    char why[200] = "";
    if (duet_connect(&client, loop, &client_config, why) < 0) {
        fprintf(stderr, "driver: %s\n", why);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *ca = NULL, *cert = NULL, *key = NULL, *words[2] = { NULL };
    unsigned n = 0, skipped = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ca") == 0 && i + 1 < argc)
            ca = argv[++i];
        else if (strcmp(argv[i], "--cert") == 0 && i + 1 < argc)
            cert = argv[++i];
        else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc)
            key = argv[++i];
        else if (strcmp(argv[i], "--without") == 0 && i + 1 < argc && skipped < 4)
            without[skipped++] = argv[++i];
        else if (strcmp(argv[i], "--deflate") == 0)
            deflate = true;
        else if (strcmp(argv[i], "--break") == 0)
            spoil = true;
        else if (strcmp(argv[i], "--served") == 0)
            served = true;
        else if (n < 2)
            words[n++] = argv[i];
    }
    duet_timer *patience;
    if (n < 2 || duet_loop_new(&loop) < 0 || (patience = duet_timer_new(loop, late, NULL)) == NULL)
        return 2;
    if ((strcmp(words[0], "server") == 0 ? serve(words[1], cert, key) : visit(words[1], ca)) < 0)
        return 2;
    if (duet_loop_watch(loop, STDIN_FILENO, DUET_READABLE, input, NULL) == NULL)
        return 2;
    duet_timer_set(patience, PATIENCE_MS);
    duet_loop_run(loop);
    duet_client_free(client);
    duet_server_free(server);
    return result;
}
