/* SPDX-License-Identifier: MIT */
/* Peers that read late, a little, or not at all: limits of the queue, what stops reading, who is closed and who is not.
 */
#include "wire.h"
#include "server/httpd.h"
#include <malloc.h>
#include <unistd.h>

static duet_conn *first; /* the one that opened first, while it is open */
static unsigned opens, closes, drains, pongs, refilled;
static duet_closing last;
static size_t most_queued, drained_at;
static bool echoes, pauses;
static uint8_t payload[1024 * 1024];

static void on_open(duet_conn *c)
{
    if (opens++ == 0)
        first = c;
    if (pauses)
        duet_pause(c);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    duet_conn *to = c;
    if (m->len > 0 && *(const char *)m->data == '>' && first != NULL)
        to = first; /* sent on */
    else if (!echoes)
        return;
    duet_send(to, m->type, m->data, m->len);
    if (duet_queued(c) > most_queued)
        most_queued = duet_queued(c);
}

static void on_drain(duet_conn *c)
{
    drains++;
    drained_at = duet_queued(c);
    assert_false(duet_congested(c));
    if (refilled > 0) {
        refilled--;
        while (duet_queued(c) <= 256 * 1024)
            duet_send(c, DUET_BINARY, payload, sizeof(payload));
    }
}

static void on_pong(duet_conn *c, unsigned rtt_us)
{
    (void)c;
    (void)rtt_us;
    pongs++;
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    closes++;
    last = *why;
    if (c == first)
        first = NULL;
}

static void serve(enum wire_kind kind, duet_server_config cfg)
{
    cfg.on =
        (duet_handler){ .open = on_open, .message = on_message, .drain = on_drain, .pong = on_pong, .close = on_close };
    if (cfg.stall_ms == 0)
        cfg.stall_ms = 60000; /* no deadline but the one a test is about, on a slow machine too */
    cfg.close_ms = 60000;
    first = NULL;
    opens = closes = drains = pongs = refilled = 0;
    most_queued = 0;
    echoes = true;
    pauses = false;
    wire_serve(kind, &cfg);
}

static const enum wire_kind kinds[] = { WIRE_TCP, WIRE_UNIX, WIRE_TLS };
#define EACH_KIND(k) for (size_t each = 0; each < 3 && (k = kinds[each], true); each++)

static uint64_t skipped(void)
{
    duet_server_stats s;
    duet_server_read_stats(wire.server, &s);
    return s.skipped;
}

/* Until the socket takes no more and something waits. Returns the messages that were sent, 64 KiB each. */
static unsigned fill(duet_conn *c)
{
    unsigned sent = 0;
    for (int still = 0; still < 10;) {
        size_t before = duet_queued(c);
        if (before == 0) {
            assert_int_equal(duet_send(c, DUET_BINARY, payload, 65536), 0);
            sent++;
            still = 0;
        }
        wire_turn();
        still = duet_queued(c) == before && before > 0 ? still + 1 : 0;
    }
    return sent;
}

/* Brings the queue to exactly `target` bytes, by messages whose frames fit. Returns their number. */
static unsigned fill_to(duet_conn *c, size_t target)
{
    unsigned sent = 0;
    for (int tries = 0; duet_queued(c) != target && tries < 100; tries++) {
        size_t left = target - duet_queued(c);
        size_t frame = left > 60000 + 1000 ? 60000 : left > 60000 ? left - 1000 : left;
        assert_true(frame >= 130);
        assert_int_equal(duet_send(c, DUET_BINARY, payload, frame - 4), 0);
        sent++;
    }
    assert_int_equal(duet_queued(c), target);
    return sent;
}

enum { LIMIT = 1024 * 1024 };

TEST(slow, mem_2_over_the_hard_limit_the_reader_alone_is_closed)
{
    for (int over = -1; over <= 1; over++) {
        serve(WIRE_TCP, (duet_server_config){ .when_full = DUET_FULL_CLOSE });
        struct client *c = client_open(NULL), *other = client_open(NULL);
        fill(first);
        fill_to(first, (size_t)(LIMIT + over));
        int rc = duet_send(first, DUET_BINARY, payload, 100);
        assert_int_equal(rc, over > 0 ? DUET_ERR_FULL : 0);
        wire_turn();
        assert_int_equal(closes, over > 0);
        if (over > 0) {
            assert_int_equal(last.sent, 1008);
            assert_int_equal(last.error, DUET_ERR_FULL);
            assert_true(last.unsent > LIMIT / 2);
            assert_string_equal(wire.log, "failed slow 1008\n");
            /* The frame that was half written is finished, then comes the Close. */
            const char *trace = client_trace_end(c);
            assert_non_null(strstr(trace, "\nclose 1008 'slow'\neof\n"));
        }
        client_frame(other, 0x81, "me too", 6);
        EXPECT_FRAMES(other, 1, "text 'me too'\n");
        assert_int_equal(closes, over > 0);
        client_free(c);
        client_free(other);
        wire_stop();
    }
}

static void refuse_or_drop(duet_when_full policy)
{
    for (int over = -1; over <= 1; over++) {
        serve(WIRE_TCP, (duet_server_config){ .when_full = policy });
        struct client *c = client_open(NULL);
        unsigned sent = fill(first);
        sent += fill_to(first, (size_t)(LIMIT + over));
        size_t before = duet_queued(first);
        int rc = duet_send(first, DUET_TEXT, "one more", 8);
        assert_int_equal(rc, over > 0 && policy == DUET_FULL_REFUSE ? DUET_ERR_FULL : 0);
        assert_int_equal(duet_queued(first), before + (over > 0 ? 0 : 10));
        assert_int_equal(skipped(), over > 0);
        sent += over <= 0;
        /* Nobody is closed; what was taken arrives, what was refused does not, and there is room again. */
        client_trace(c, sent);
        assert_int_equal(closes, 0);
        assert_int_equal(strstr(c->trace, "one more") != NULL, over <= 0);
        for (int i = 0; i < WIRE_TURNS && drains == 0; i++)
            wire_turn();
        assert_int_equal(drains, 1);
        assert_int_equal(duet_send(first, DUET_TEXT, "room", 4), 0);
        EXPECT_FRAMES(c, 1, "text 'room'\n");
        client_free(c);
        wire_stop();
    }
}

TEST(slow, mem_2_over_the_hard_limit_a_message_is_refused)
{
    refuse_or_drop(DUET_FULL_REFUSE);
}

TEST(slow, mem_2_over_the_hard_limit_a_message_is_dropped)
{
    refuse_or_drop(DUET_FULL_DROP);
}

/* Below the limit one message of any size is taken whole. */
TEST(slow, a_message_over_the_hard_limit_is_taken_by_an_empty_queue)
{
    static uint8_t huge[5 * LIMIT];
    serve(WIRE_TCP, (duet_server_config){ .when_full = DUET_FULL_CLOSE });
    struct client *c = client_open(NULL);
    assert_int_equal(duet_send(first, DUET_BINARY, huge, sizeof(huge)), 0);
    EXPECT_FRAMES(c, 1, "binary 5242880 bytes\n");
    client_free(c);
    wire_stop();
}

/* One reader that stands still among eight (MEM-2): no message of the others is lost, late or twice. */
TEST(slow, mem_2_in_a_broadcast_only_the_slow_reader_is_closed)
{
    enum { READERS = 8, MESSAGES = 2000, SIZE = 8192 };
    struct client *c[READERS];
    serve(WIRE_TCP, (duet_server_config){ .data_size = 8 });
    uint64_t ids[READERS];
    for (int i = 0; i < READERS; i++) {
        c[i] = client_open(NULL);
        ids[i] = 0;
    }
    /* Ids are told by the order of opening: slots are taken one after another. */
    uint64_t base = duet_id(first);
    for (int i = 0; i < READERS; i++) {
        ids[i] = base + ((uint64_t)i << 8);
        duet_conn *conn = duet_conn_find(wire.server, ids[i]);
        assert_non_null(conn);
        assert_int_equal(duet_subscribe(conn, "news"), 0);
    }
    size_t got[READERS] = { 0 };
    for (uint32_t n = 0; n < MESSAGES; n++) {
        memcpy(payload, &n, sizeof(n));
        assert_int_equal(duet_publish(wire.server, "news", DUET_BINARY, payload, SIZE), 0);
        wire_turn();
        for (int i = 1; i < READERS; i++) {
            client_read(c[i]);
            while (c[i]->len >= 4 + SIZE) {
                uint32_t number;
                memcpy(&number, c[i]->in + 4, sizeof(number));
                assert_int_equal(number, got[i]++);
                client_skip(c[i], 4 + SIZE);
            }
        }
    }
    for (int i = 1; i < READERS; i++)
        for (int k = 0; k < WIRE_TURNS && got[i] < MESSAGES; k++) {
            wire_turn();
            client_read(c[i]);
            got[i] += c[i]->len / (4 + SIZE);
            client_skip(c[i], c[i]->len / (4 + SIZE) * (4 + SIZE));
        }
    for (int i = 1; i < READERS; i++)
        assert_int_equal(got[i], MESSAGES);
    assert_int_equal(closes, 1);
    assert_null(first);
    assert_string_equal(wire.log, "failed slow 1008\n");
    assert_non_null(strstr(client_trace_end(c[0]), "close 1008 'slow'\neof\n"));
    for (int i = 0; i < READERS; i++)
        client_free(c[i]);
    wire_stop();
}

/* What a socket may take in. By itself the kernel lets that grow, on some machines to more than a test sends. */
static void take_in_little(int fd)
{
    int bytes = 256 * 1024;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

/* An echo in fifteen lines does not look at the queue: reading stops for it. */
TEST(slow, mem_2_an_echo_survives_20_mib_that_are_read_late)
{
    enum { SIZE = 1000, FRAME = SIZE + 4, ALL = 20 * 1024 };
    enum wire_kind kind;
    uint8_t *all = malloc((size_t)ALL * (SIZE + 8)), *at = all;
    for (uint32_t n = 0; n < ALL; n++) {
        memcpy(payload, &n, sizeof(n));
        at += client_encode(at, 0x82, payload, SIZE);
    }
    EACH_KIND(kind)
    {
        serve(kind, (duet_server_config){ .when_full = DUET_FULL_CLOSE });
        struct client *c = client_open(NULL);
        size_t len = (size_t)(at - all), sent = 0;
        uint32_t got = 0;
        wire_settle();
        take_in_little(c->fd);
        take_in_little(first->stream.watch.fd);
        /* First without reading at all, until nothing moves; then both ways. */
        for (int still = 0; still < 20;) {
            size_t n = client_try(c, all + sent, len - sent);
            sent += n;
            wire_turn();
            still = n ? 0 : still + 1;
        }
        assert_true(sent < len);
        assert_true(first != NULL && most_queued <= 256 * 1024 + FRAME);
        for (int i = 0; i < 20 * WIRE_TURNS && got < ALL; i++) {
            if (sent < len)
                sent += client_try(c, all + sent, len - sent);
            wire_turn();
            client_read(c);
            size_t done = 0;
            for (; c->len - done >= FRAME; done += FRAME) {
                uint32_t number;
                memcpy(&number, c->in + done + 4, sizeof(number));
                assert_int_equal(number, got++);
            }
            client_skip(c, done);
        }
        assert_int_equal(got, ALL);
        assert_int_equal(closes, 0);
        assert_true(most_queued <= 256 * 1024 + FRAME);
        client_free(c);
        wire_stop();
    }
    free(all);
}

TEST(slow, drain_comes_once_for_each_time_it_was_congested)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        serve(kind, (duet_server_config){ .when_full = DUET_FULL_CLOSE });
        struct client *c = client_open(NULL);
        duet_send(first, DUET_TEXT, "little", 6);
        EXPECT_FRAMES(c, 1, "text 'little'\n");
        wire_settle();
        assert_int_equal(drains, 0);
        refilled = 3; /* each drain congests it again */
        fill(first);
        duet_send(first, DUET_BINARY, payload, sizeof(payload));
        assert_true(duet_congested(first));
        for (int i = 0; i < WIRE_TURNS && (drains < 4 || duet_queued(first) > 0); i++) {
            client_read(c);
            client_skip(c, c->len);
            wire_turn();
        }
        client_read(c);
        wire_settle();
        assert_int_equal(drains, 4);
        assert_true(drained_at <= 128 * 1024);
        client_free(c);
        wire_stop();
    }
}

TEST(slow, a_full_queue_that_no_byte_leaves_is_closed_after_stall_ms)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        serve(kind, (duet_server_config){ .stall_ms = 60 });
        struct client *c = client_open(NULL);
        fill(first);
        duet_send(first, DUET_BINARY, payload, 600 * 1024);
        for (int i = 0; i < WIRE_TURNS && closes == 0; i++)
            wire_turn();
        assert_int_equal(closes, 1);
        assert_int_equal(last.error, DUET_ERR_TIMEOUT);
        assert_int_equal(last.sent, 1008);
        assert_string_equal(wire.log, "failed slow 1008\n");
        client_free(c);
        wire_stop();
    }
}

/* Nothing is read from it until half of that has left, so it would stay for ever. */
TEST(slow, a_held_back_peer_that_stops_between_the_soft_limit_and_half_of_it_is_closed)
{
    enum { SOFT = 2 * 1024 * 1024 };
    static uint8_t some[16384];
    serve(WIRE_UNIX, (duet_server_config){ .stall_ms = 1000, .queue_soft = SOFT, .queue_max = 2 * SOFT });
    struct client *c = client_open(NULL);
    while (duet_queued(first) <= SOFT) {
        client_frame(c, 0x82, payload, 100 * 1024);
        wire_turn();
    }
    for (int i = 0; i < WIRE_TURNS && duet_queued(first) > SOFT; i++)
        if (read(c->fd, some, sizeof(some)) < 0)
            wire_turn();
    assert_true(duet_queued(first) <= SOFT && duet_queued(first) > SOFT / 2);
    for (int i = 0; i < WIRE_TURNS && closes == 0; i++)
        wire_turn();
    assert_int_equal(closes, 1);
    assert_int_equal(last.sent, 1008);
    client_free(c);
    wire_stop();
}

/* Who takes a little now and then is slow, but not gone. */
TEST(slow, progress_keeps_a_full_queue_alive)
{
    serve(WIRE_UNIX, (duet_server_config){ .stall_ms = 300, .queue_max = DUET_OFF });
    struct client *c = client_open(NULL);
    static uint8_t some[16384];
    for (int i = 0; i < 8; i++)
        duet_send(first, DUET_BINARY, payload, sizeof(payload));
    uint64_t began = duet_loop_now_ms(wire.loop);
    while (duet_loop_now_ms(wire.loop) - began < 700 && closes == 0) {
        for (int i = 0; i < 4; i++)
            if (read(c->fd, some, sizeof(some)) < 0)
                break;
        wire_turn();
        if (duet_queued(first) <= 1024 * 1024)
            duet_send(first, DUET_BINARY, payload, sizeof(payload));
    }
    assert_int_equal(closes, 0);
    assert_true(duet_congested(first));
    client_free(c);
    wire_stop();
}

/* What waits below the soft limit may wait. */
TEST(slow, a_little_in_the_queue_is_no_stall)
{
    serve(WIRE_TCP, (duet_server_config){ .stall_ms = 20 });
    struct client *c = client_open(NULL);
    fill(first);
    assert_false(duet_congested(first));
    uint64_t began = duet_loop_now_ms(wire.loop);
    while (duet_loop_now_ms(wire.loop) - began < 100)
        wire_turn();
    assert_int_equal(closes, 0);
    client_free(c);
    wire_stop();
}

TEST(slow, a_silent_peer_is_pinged_then_closed)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        serve(kind, (duet_server_config){ .ping_ms = 30, .pong_ms = 30 });
        struct client *c = client_open(NULL);
        const char *trace = client_trace_end(c);
        assert_int_equal(strncmp(trace, "ping '", 6), 0);
        assert_non_null(strstr(trace, "\nclose 1011 ''\neof\n"));
        assert_int_equal(closes, 1);
        assert_int_equal(last.error, DUET_ERR_TIMEOUT);
        assert_string_equal(wire.log, "failed pong_timeout 1011\n");
        client_free(c);
        wire_stop();
    }
}

TEST(slow, a_pong_or_data_keeps_a_peer)
{
    for (int data = 0; data < 2; data++) {
        serve(WIRE_TCP, (duet_server_config){ .ping_ms = 20, .pong_ms = data ? 40 : 2000 });
        struct client *c = client_open(NULL);
        unsigned pings = 0;
        uint8_t seen[6];
        for (int i = 0; i < WIRE_TURNS && pings < 4 && closes == 0; i++) {
            wire_turn();
            client_read(c);
            while (c->len >= 6 && c->in[0] == 0x89) {
                memcpy(seen, c->in, 6);
                client_skip(c, 6);
                pings++;
                if (!data)
                    client_frame(c, 0x8a, seen + 2, 4);
                else
                    client_frame(c, 0x82, "", 0);
            }
            if (c->len >= 2 && c->in[0] == 0x82)
                client_skip(c, 2);
        }
        assert_int_equal(pings, 4);
        wire_settle();
        assert_int_equal(pongs, data ? 0 : 4);
        assert_int_equal(closes, 0);
        client_free(c);
        wire_stop();
    }
}

/* Whom we do not read we do not ask. */
TEST(slow, a_paused_peer_is_not_pinged)
{
    serve(WIRE_TCP, (duet_server_config){ .ping_ms = 10, .pong_ms = 10 });
    struct client *c = client_open(NULL);
    duet_pause(first);
    uint64_t began = duet_loop_now_ms(wire.loop);
    while (duet_loop_now_ms(wire.loop) - began < 80)
        wire_turn();
    client_read(c);
    assert_int_equal(c->len, 0);
    assert_int_equal(closes, 0);
    client_frame(c, 0x81, "waits", 5);
    wire_settle();
    client_read(c);
    assert_int_equal(c->len, 0);
    duet_resume(first);
    EXPECT_FRAMES(c, 1, "text 'waits'\n");
    client_free(c);
    wire_stop();
}

/* Frames that came with the request wait, too. */
TEST(slow, a_pause_in_open_holds_the_first_frames)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        serve(kind, (duet_server_config){ .when_full = DUET_FULL_CLOSE });
        pauses = true;
        struct client *c = client_new();
        char both[1024];
        size_t n = (size_t)snprintf(both, sizeof(both), "%s\r\n", wire_request);
        n += client_encode((uint8_t *)both + n, 0x81, "one", 3);
        n += client_encode((uint8_t *)both + n, 0x81, "two", 3);
        client_send(c, both, n);
        assert_int_equal(client_answer(c, NULL, NULL), 101);
        wire_settle();
        client_read(c);
        assert_int_equal(c->len, 0);
        assert_non_null(first);
        duet_resume(first);
        EXPECT_FRAMES(c, 2, "text 'one'\ntext 'two'\n");
        client_free(c);
        wire_stop();
    }
}

/* A message sent on to another connection is not written from a buffer that the next reading uses again. */
TEST(slow, what_is_sent_on_keeps_its_bytes)
{
    enum { SIZE = 10000 };
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        serve(kind, (duet_server_config){ .when_full = DUET_FULL_CLOSE });
        struct client *to = client_open(NULL), *from = client_open(NULL), *third = client_open(NULL);
        wire_settle(); /* so that both are read in the order written */
        memset(payload, 'x', SIZE);
        payload[0] = '>';
        client_frame(from, 0x82, payload, SIZE);
        memset(payload, 'y', SIZE);
        client_frame(third, 0x82, payload, SIZE);
        assert_true(client_wait(to, SIZE + 4));
        for (int i = 1; i < SIZE; i++)
            assert_int_equal(to->in[4 + i], 'x');
        client_free(to);
        client_free(from);
        client_free(third);
        wire_stop();
    }
}

static const duet_conn *asker;
static unsigned answers;

static void on_http(duet_http *x, const duet_request *r)
{
    (void)r;
    asker = x->conn;
    answers++;
    duet_http_text(x, 200, "next");
}

/* Input that is kept since a head is not whole lets go what was taken: it is no more than a head and a write. */
TEST(slow, http_2_requests_that_each_write_cuts_do_not_pile_up)
{
    enum { ROUNDS = 400, SIZE = 2000 };
    static const duet_route routes[] = { { .path = "/", .http = on_http }, { 0 } };
    char request[SIZE + 1];
    int n = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\nX-Long: ");
    memset(request + n, 'x', SIZE - (size_t)n - 4);
    memcpy(request + SIZE - 4, "\r\n\r\n", 5);
    size_t most_kept = 0;
    answers = 0;
    wire_serve(WIRE_TCP, &(duet_server_config){ .routes = routes, .requests_max = 10000 });
    struct client *c = client_new();
    client_send(c, request, SIZE / 2);
    for (int i = 0; i < ROUNDS; i++) {
        wire_turn();
        client_send(c, request + SIZE / 2, SIZE / 2); /* the rest of one and half of the next */
        client_send(c, request, SIZE / 2);
        client_read(c);
        size_t kept = answers > 0 && conn_busy(asker)->stash ? malloc_usable_size(conn_busy(asker)->stash) : 0;
        most_kept = kept > most_kept ? kept : most_kept;
    }
    wire_settle();
    assert_int_equal(answers, ROUNDS);
    assert_in_range(most_kept, SIZE / 2, 16 * 1024);
    client_free(c);
    wire_stop();
}
