/* SPDX-License-Identifier: MIT */
/*
 * A whole client of the hub, by any way in, over a socket: what it sends, what backends do with it meanwhile,
 * and time. What it is told is good JSON, each channel's publications come in their order and once, and nothing of it
 * is left in the hub when it is gone. Data: the way, how much is written at once, then a program: commands with their
 * numbers put in, frames of any bytes, what the backend does.
 */
#include "fuzz.h"
#include "base/jsonread.h"
#include "wire/api.h"
#include "wire/centrifugal.h"
#include "wire/centrifugal_client.h"
#include "wire/plain.h"
#include "wire/sse.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { OUT_MOST = 1 << 20, CHANNELS = 4, FRAME_MOST = 2000 };

#define UPGRADE                                                                                                        \
    "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                            \
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

enum { BARE, ENVELOPE, CENTRIFUGAL, LISTENER, STREAM, EVENTS, SSE, WAYS };
static const char *const requests[WAYS] = {
    [BARE] = "GET /channel/a?last=3 HTTP/1.1\r\n" UPGRADE "\r\n",
    [ENVELOPE] =
        "GET /channel/a?since=aaaaaaaa:1&presence=yes HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Protocol: duet.v1\r\n\r\n",
    [CENTRIFUGAL] = "GET /connection/websocket HTTP/1.1\r\n" UPGRADE "\r\n",
    [LISTENER] = "GET /connection/uni_websocket HTTP/1.1\r\n" UPGRADE "\r\n",
    [STREAM] =
        "POST /connection/http_stream HTTP/1.1\r\nHost: h\r\nContent-Length: 23\r\n\r\n{\"id\":1,\"connect\":{}}\n\n",
    [EVENTS] = "POST /connection/sse HTTP/1.1\r\nHost: h\r\nContent-Length: 21\r\n\r\n{\"id\":1,\"connect\":{}}",
    [SSE] = "GET /events?channel=a&channel=nn:b&last=2 HTTP/1.1\r\nHost: h\r\n\r\n",
};

/* %u: the command's number; %c: a channel's letter. */
static const char *const commands[] = {
    "{\"id\":%u,\"connect\":{}}",
    "{\"id\":%u,\"connect\":{\"subs\":{\"a\":{\"recover\":true,\"epoch\":\"aaaaaaaa\",\"offset\":1}}}}",
    "{\"id\":%u,\"subscribe\":{\"channel\":\"%c\",\"recoverable\":true,\"positioned\":true,\"join_leave\":true}}",
    "{\"id\":%u,\"subscribe\":{\"channel\":\"%c\",\"recover\":true,\"epoch\":\"aaaaaaaa\",\"offset\":2,\"flag\":3}}",
    ("{\"id\":%u,\"subscribe\":{\"channel\":\"dd:%c\",\"delta\":\"fossil\",\"positioned\":true,"
     "\"tf\":{\"op\":\"\",\"key\":\"k\",\"cmp\":\"eq\",\"val\":\"1\"}}}"),
    "{\"id\":%u,\"unsubscribe\":{\"channel\":\"%c\"}}",
    "{\"id\":%u,\"publish\":{\"channel\":\"%c\",\"data\":{\"n\":[1,\"x\"]}}}",
    "{\"id\":%u,\"publish\":{\"channel\":\"dd:%c\",\"data\":\"the same again and again, and a little more\"}}",
    "{\"id\":%u,\"history\":{\"channel\":\"%c\",\"limit\":2,\"reverse\":true}}",
    "{\"id\":%u,\"presence\":{\"channel\":\"%c\"}}",
    "{\"id\":%u,\"presence_stats\":{\"channel\":\"%c\"}}",
    "{\"id\":%u,\"ping\":{}}",
    "{}",
    "{\"id\":%u,\"rpc\":{\"method\":\"m\",\"data\":1}}",
    "{\"id\":%u,\"refresh\":{\"token\":\"a.b.c\"}}",
    "{\"id\":%u,\"sub_refresh\":{\"channel\":\"%c\",\"token\":\"a.b.c\"}}",
};
enum { COMMANDS = sizeof(commands) / sizeof(*commands), RAW = COMMANDS, BINARY, PAUSE, PASS, BACKEND, OPS };

static struct {
    struct wire_site site; /* first */
    uint64_t now_ms;
} ways;
static duet_loop *loop;
static duet_server *server;

static struct {
    struct program in;
    unsigned way, number;
    int fd;
    size_t piece; /* how much is written, and read, at once */
    size_t written;
    bool over;
    uint8_t out[OUT_MOST];
} t;

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

/* What the client sends. */

/* What is there to read now. */
static void hear(void)
{
    while (!t.over && t.written < OUT_MOST) {
        size_t room = OUT_MOST - t.written;
        ssize_t n = recv(t.fd, t.out + t.written, room < t.piece ? room : t.piece, MSG_DONTWAIT);
        if (n < 0)
            return;
        t.over = n == 0;
        t.written += (size_t)n;
    }
}

static void turn(void)
{
    for (int quiet = 0; quiet < 3;)
        quiet = duet_loop_turn(loop, 0) > 0 || duet_loop_wait_ms(loop) == 0 ? 0 : quiet + 1;
    hear();
}

static void give(const void *data, size_t len)
{
    const char *at = data;
    while (len > 0 && !t.over) {
        ssize_t n = send(t.fd, at, len < t.piece ? len : t.piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        t.over = n < 0;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
        turn();
    }
}

static void send_frame(unsigned first, const char *payload, size_t len)
{
    uint8_t frame[8 + FRAME_MOST] = { (uint8_t)first, (uint8_t)(0x80 | (len < 126 ? len : 126)), (uint8_t)(len >> 8),
                                      (uint8_t)len };
    size_t head = len < 126 ? 2 : 4;
    memset(frame + head, 0, 4); /* the key */
    memcpy(frame + head + 4, payload, len);
    give(frame, head + 4 + len);
}

/* By a stream nothing is sent: it comes from elsewhere, with the session's number. */
static uint64_t session_of(void)
{
    char digits[17] = "";
    static const char mark[] = "\"session\":\"";
    const char *at = memmem(t.out, t.written < OUT_MOST ? t.written : OUT_MOST, mark, sizeof(mark) - 1);
    if (at != NULL && at + sizeof(mark) + 16 < (const char *)t.out + t.written)
        memcpy(digits, at + sizeof(mark) - 1, 16);
    return strtoull(digits, NULL, 16);
}

static void send_text(unsigned first, const char *payload, size_t len)
{
    struct centrifugal *c = t.way == STREAM || t.way == EVENTS ? centrifugal_find(server, session_of()) : NULL;
    if (t.way != STREAM && t.way != EVENTS)
        send_frame(first, payload, len);
    else if (c != NULL && c->state != CENTRIFUGAL_OVER)
        centrifugal_receive(c, payload, len);
}

static void send_command(unsigned which)
{
    char text[400];
    unsigned letter = 'a' + next_byte(&t.in) % CHANNELS;
    int len = snprintf(text, sizeof(text), commands[which], ++t.number, letter);
    send_text(0x81, text, (size_t)len);
}

static void act(void)
{
    static const struct hub_whom anybody = { .user = "", .client = "" };
    static unsigned version;
    unsigned op = next_byte(&t.in), name = next_byte(&t.in);
    char channel[] = "dd:a";
    channel[3] = (char)('a' + name % CHANNELS);
    const char *c = name & 0x80 ? channel : channel + 3;
    size_t len = strlen(c);
    struct hub_publish what = { .channel = c, .len = len, .skip_history = name & 0x40 };
    what.parts = (struct publication_parts){ .kind = (enum hub_kind)(name >> 4 & 1), .data = "1", .len = 1 };
    switch (op % 9) {
    case 0:
        what.parts.tags = "{\"k\":\"1\"}";
        what.parts.tags_len = 9;
        what.parts.version = ++version;
        hub_publish(ways.site.hub, &what, NULL);
        break;
    case 1:
        what.parts.key = "key";
        what.parts.key_len = 3;
        hub_publish(ways.site.hub, &what, NULL);
        break;
    case 2:
        hub_subscribe(ways.site.hub, &anybody,
                      &(struct hub_invitation){ .channel = c,
                                                .len = len,
                                                .data = "{}",
                                                .data_len = name & 0x20 ? 2 : 0,
                                                .recover = name & 0x40,
                                                .from.offset = 2,
                                                .override.force_recovery = (enum hub_said)(name >> 3 & 1) });
        break;
    case 3:
        hub_unsubscribe(ways.site.hub, &anybody, c, len,
                        name & 1 ? HUB_UNSUBSCRIBE_SERVER : HUB_UNSUBSCRIBE_INSUFFICIENT);
        break;
    case 4:
        hub_disconnect(ways.site.hub, &anybody, HUB_DISCONNECT_FORCE, name & 1 ? "why" : NULL);
        break;
    case 5:
        hub_refresh(ways.site.hub, &anybody, name & 1 ? ways.now_ms + 1000 : 0);
        break;
    case 6:
        hub_remove_history(ways.site.hub, c, len);
        break;
    default:
        hub_tick(ways.site.hub);
        wire_tick(&ways.site, server, name);
    }
}

/* The next thing that happens. */
static void step(void)
{
    unsigned op = next_byte(&t.in) % OPS;
    size_t len;
    const uint8_t *bytes;
    switch (op) {
    case RAW:
    case BINARY:
        len = next_byte(&t.in) * 4u;
        bytes = next_bytes(&t.in, &len);
        send_text(op == RAW ? 0x81 : 0x82, (const char *)bytes, len);
        break;
    case PAUSE:
        turn();
        break;
    case PASS:
        ways.now_ms += 1u << next_byte(&t.in) % 24;
        break;
    case BACKEND:
        act();
        break;
    default:
        send_command(op);
    }
}

/* What it was told. */

static struct {
    char channel[8];
    uint64_t offset; /* of the last that came; 0: none since it was subscribed */
} streams[2 * CHANNELS];

static struct json_slice member(struct json_slice object, const char *name)
{
    struct json_slice key, value;
    for (struct json_each e = json_each(object); json_next(&e, &key, &value);)
        if (json_is(key, name))
            return value;
    return (struct json_slice){ NULL, 0 };
}

static uint64_t *last_of(struct json_slice channel)
{
    char name[8] = "";
    CHECK(channel.len < sizeof(name) && json_unquote(name, channel) > 0);
    for (size_t i = 0;; i++) {
        CHECK(i < sizeof(streams) / sizeof(*streams));
        if (streams[i].channel[0] == '\0')
            memcpy(streams[i].channel, name, sizeof(name));
        if (strcmp(streams[i].channel, name) == 0)
            return &streams[i].offset;
    }
}

static void judge_push(struct json_slice push)
{
    struct json_slice channel = member(push, "channel"), pub = member(push, "pub"), offset = { NULL, 0 };
    double n;
    if (channel.text == NULL)
        return;
    uint64_t *last = last_of(channel);
    if (pub.text == NULL) {
        *last =
            member(push, "join").text || member(push, "leave").text ? *last : 0; /* subscribed anew, or not any more */
        return;
    }
    offset = member(pub, "offset");
    if (offset.text == NULL)
        return;
    CHECK(json_number(offset, &n));
    /* A filter leaves some out; nothing comes twice, or before what it is behind. */
    CHECK(*last == 0 || (memchr(channel.text, ':', channel.len) != NULL ? n > (double)*last : n == (double)*last + 1));
    *last = (uint64_t)n;
}

static void judge_message(const char *text, size_t len)
{
    struct json_slice value;
    CHECK(json_check(text, len, CENTRIFUGAL_DEPTH, &value) && json_kind_of(value) == '{');
    CHECK(memchr(text, '\n', len) == NULL);
    struct json_slice push = member(value, "push");
    if (push.text != NULL || t.way == LISTENER)
        judge_push(push.text ? push : value);
    else if (member(value, "subscribe").text != NULL || member(value, "unsubscribe").text != NULL)
        memset(streams, 0, sizeof(streams)); /* of which channel its number tells, which is not looked up here */
}

/* All frames behind the 101; the last may be cut. */
static void judge_frames(const uint8_t *at, size_t len)
{
    while (len >= 4) {
        size_t head = (at[1] & 127) < 126 ? 2 : (at[1] & 127) == 126 ? 4 : 10;
        uint64_t n = head == 2 ? at[1] : (uint64_t)at[2] << 8 | at[3];
        if (head == 10 || n > len - head)
            return;
        if (at[0] == 0x81 && (t.way == CENTRIFUGAL || t.way == LISTENER) && n > 0)
            judge_message((const char *)at + head, n);
        at += head + n;
        len -= head + (size_t)n;
    }
}

static void judge_output(void)
{
    size_t len = t.written < OUT_MOST ? t.written : OUT_MOST;
    const uint8_t *end = memmem(t.out, len, "\r\n\r\n", 4);
    memset(streams, 0, sizeof(streams));
    if (end != NULL && len > 12 && memcmp(t.out + 9, "101", 3) == 0)
        judge_frames(end + 4, len - (size_t)(end + 4 - t.out));
}

/* The server stays; the hub is another one for each input. */

static struct hub_options spaces[3];
static char path[64];

static void make_server(void)
{
    static const duet_route routes[] = {
        { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade },
        { .path = SSE_PATH, .http = sse_http },
        CENTRIFUGAL_ROUTES,
        { 0 },
    };
    snprintf(path, sizeof(path), "unix:/tmp/duet-fuzz-ways-%ld", (long)getpid());
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = path,   .on = wire_handler,  .arg = &ways,
                                  .data_size = WIRE_DATA,  .routes = routes, .queue_max = 100000, .ping_ms = DUET_OFF };
    for (int i = 0; i < 3; i++) {
        struct hub_options *o = &spaces[i];
        hub_options_default(o);
        o->history_size = i < 2 ? 3 : 0;
        o->history_ttl_ms = 60000;
        o->allow_recovery = o->presence = o->join_leave = true;
        o->allow_subscribe_for_anonymous = o->allow_publish_for_anonymous = true;
        o->allow_history_for_anonymous = o->allow_presence_for_anonymous = true;
        o->delta_publish = o->allow_delta_fossil = o->allow_tags_filter = i == 1;
    }
    strcpy(spaces[1].name, "dd");
    strcpy(spaces[2].name, "nn");
    CHECK(duet_loop_new(&loop) == 0 && duet_server_new(&server, &config, NULL) == 0);
    CHECK(duet_server_attach(server, loop) == 0);
}

static void make_hub(void)
{
    struct hub_config config = {
        .namespaces = spaces, .count = 3, .any_namespace = true, .clock = clock_of, .random = zeros
    };
    struct hub *hub;
    char why[HUB_WHY];
    ways.now_ms = 1000;
    hub_limits_default(&config.limits);
    config.limits.channels_per_connection = 3;
    CHECK(hub_new(&hub, &config, why) == 0 && wire_init(&ways.site, hub) == 0);
    hub_attach(hub, server);
    for (int i = 0; i < 4; i++)
        hub_publish(
            hub,
            &(struct hub_publish){ .channel = "a", .len = 1, .parts = { .kind = HUB_TEXT, .data = "1", .len = 1 } },
            NULL);
}

static int dial(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    return fd;
}

static void end_hub(void)
{
    struct hub_stats stats;
    close(t.fd);
    turn(); /* its end is told */
    hub_read_stats(ways.site.hub, &stats);
    CHECK(stats.sessions == 0 && stats.subscriptions == 0 && stats.users == 0);
    hub_stop(ways.site.hub);
    hub_free(ways.site.hub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[] = { 4096, 100, 7, 4096 };
    if (size < 2 || size > 2048)
        return 0;
    if (loop == NULL)
        make_server();
    memset(&t, 0, offsetof(typeof(t), out));
    t.in = (struct program){ data + 2, size - 2 };
    t.way = data[0] % WAYS;
    t.piece = pieces[data[1] % 4];
    make_hub();
    t.fd = dial();
    give(requests[t.way], strlen(requests[t.way]));
    while (t.in.left > 0 && !t.over && t.written < OUT_MOST)
        step();
    turn();
    end_hub();
    judge_output();
    return 0;
}
