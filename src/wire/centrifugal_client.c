/* SPDX-License-Identifier: MIT */
#include "wire/centrifugal_client.h"
#include "base/mem.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>

static const uint8_t may_enter[] __attribute__((unused)) = {
    [CENTRIFUGAL_WAITING] =
        1u << CENTRIFUGAL_ASKED | 1u << CENTRIFUGAL_JOINING | 1u << CENTRIFUGAL_REFUSED | 1u << CENTRIFUGAL_OVER,
    [CENTRIFUGAL_ASKED] = 1u << CENTRIFUGAL_JOINING | 1u << CENTRIFUGAL_REFUSED | 1u << CENTRIFUGAL_OVER,
    [CENTRIFUGAL_REFUSED] = 1u << CENTRIFUGAL_OVER,
    [CENTRIFUGAL_JOINING] = 1u << CENTRIFUGAL_CONNECTED | 1u << CENTRIFUGAL_OVER,
    [CENTRIFUGAL_CONNECTED] = 1u << CENTRIFUGAL_OVER,
    [CENTRIFUGAL_OVER] = 0,
};

void centrifugal_enter(struct centrifugal *c, enum centrifugal_state next)
{
    assert(may_enter[c->state] >> next & 1);
    c->state = (uint8_t)next;
}

/* Making and ending. */

static void due(void *arg);

struct centrifugal *centrifugal_new(enum centrifugal_way way, bool listens_only)
{
    struct centrifugal *c = mem_zalloc(sizeof(*c));
    if (c == NULL)
        return NULL;
    c->way = (uint8_t)way;
    c->listens_only = listens_only;
    c->pings = true;
    buf_init(&c->later, NULL, 0);
    return c;
}

static const struct wire_site *site_of(const struct centrifugal *c)
{
    return wire_site_of(c->server);
}

static uint64_t loop_now(const struct centrifugal *c)
{
    return duet_loop_now_ms(duet_server_loop(c->server));
}

int centrifugal_start(struct centrifugal *c, duet_server *server, uint64_t id)
{
    c->server = server;
    c->id = id;
    c->timer = duet_timer_new(duet_server_loop(server), due, c);
    if (c->timer == NULL)
        return DUET_ERR_NOMEM;
    c->due_ms = loop_now(c) + site_of(c)->connect_ms;
    centrifugal_schedule(c);
    return 0;
}

void centrifugal_free(struct centrifugal *c)
{
    if (c == NULL)
        return;
    session_free(c->session);
    duet_timer_free(c->timer);
    centrifugal_wishes_free(c);
    centrifugal_asks_free(c);
    mem_free(c->fields);
    centrifugal_own_free_all(c);
    centrifugal_join_free(c);
    if (c->claims != NULL)
        hub_claims_fini(c->claims);
    mem_free(c->claims);
    buf_fini(&c->later);
    mem_free(c);
}

static void write_disconnect(struct centrifugal *c, int code, const char *reason)
{
    char space[256];
    struct buf b;
    centrifugal_begin(c, &b, space, sizeof(space));
    centrifugal_put_push(&b, c->listens_only, "", 0, "disconnect");
    centrifugal_put_code(&b, code, reason);
    centrifugal_end_push(&b, c->listens_only);
    centrifugal_send(c, &b);
}

void centrifugal_tell(const struct centrifugal *c, struct wire_about *out)
{
    /* Once it was told to go it has no session any more. */
    if (c->claims != NULL && c->claims->user.len > 0) {
        out->user = c->claims->user.at;
        out->user_len = c->claims->user.len;
    }
    wire_describe_session(c->session, out);
}

void centrifugal_tell_end(const struct centrifugal *c, duet_http *x)
{
    struct wire_about about = { .way = c->way == CENTRIFUGAL_EVENTS ? "sse" : "http_stream" };
    centrifugal_tell(c, &about);
    wire_ended(x, &about, c->code);
}

/* Behind the turn in which it ended, when no lock of the hub is held. */
static void leave(struct centrifugal *c)
{
    duet_http *x = c->way == CENTRIFUGAL_WEBSOCKET ? NULL : duet_http_find(c->server, c->id);
    if (x != NULL)
        centrifugal_tell_end(c, x);
    session_free(c->session);
    c->session = NULL;
    if (x == NULL)
        return;
    memset(duet_http_data(x), 0, sizeof(struct wire) + sizeof(void *));
    centrifugal_free(c);
    duet_http_end(x);
}

/* By its timer, which takes no memory when it is set: a stream that is torn must not go on. NULL: it never began. */
static void leave_soon(struct centrifugal *c)
{
    if (c->timer != NULL)
        duet_timer_set(c->timer, 0);
}

void centrifugal_disconnect(struct centrifugal *c, int code)
{
    centrifugal_disconnect_with(c, code, hub_code_text(code));
}

void centrifugal_disconnect_with(struct centrifugal *c, int code, const char *reason)
{
    if (c->state == CENTRIFUGAL_OVER)
        return;
    duet_conn *conn = c->way == CENTRIFUGAL_WEBSOCKET ? duet_conn_find(c->server, c->id) : NULL;
    if (c->way != CENTRIFUGAL_WEBSOCKET)
        write_disconnect(c, code, reason);
    centrifugal_enter(c, CENTRIFUGAL_OVER);
    c->code = (uint16_t)code;
    if (conn != NULL)
        duet_close(conn, (unsigned)code, reason);
    leave_soon(c);
}

/* Writing. */

void centrifugal_begin(const struct centrifugal *c, struct buf *b, void *space, size_t size)
{
    buf_init(b, space, size);
    centrifugal_open(b, c->way);
}

static int put_out(struct centrifugal *c, const struct buf *b)
{
    if (b->failed)
        return DUET_ERR_NOMEM;
    if (c->way == CENTRIFUGAL_WEBSOCKET) {
        duet_conn *conn = duet_conn_find(c->server, c->id);
        return conn ? duet_send(conn, DUET_TEXT, b->at, b->len) : DUET_ERR_CLOSED;
    }
    duet_http *x = duet_http_find(c->server, c->id);
    return x ? duet_http_write(x, b->at, b->len) : DUET_ERR_CLOSED;
}

void centrifugal_send(struct centrifugal *c, struct buf *b)
{
    centrifugal_shut(b, c->way);
    int rc = c->state == CENTRIFUGAL_OVER ? 0 : put_out(c, b);
    buf_fini(b);
    if (rc == 0 || rc == DUET_ERR_CLOSED || c->state == CENTRIFUGAL_OVER)
        return;
    /* A slow WebSocket is closed already. What a stream cannot take its peer would miss. */
    if (c->way == CENTRIFUGAL_WEBSOCKET) {
        if (rc != DUET_ERR_FULL)
            centrifugal_disconnect(c, HUB_DISCONNECT_INTERNAL);
    } else {
        centrifugal_enter(c, CENTRIFUGAL_OVER);
        leave_soon(c);
    }
}

void centrifugal_reply(const struct centrifugal *c, struct buf *b, void *space, size_t size, uint32_t id,
                       enum centrifugal_method m)
{
    centrifugal_begin(c, b, space, size);
    buf_printf(b, "{\"id\":%" PRIu32 ",\"%s\":", id, centrifugal_method_name(m));
}

void centrifugal_fail(struct centrifugal *c, uint32_t id, int error)
{
    centrifugal_fail_with(c, id, error, hub_code_text(error), hub_error_temporary(error));
}

void centrifugal_fail_with(struct centrifugal *c, uint32_t id, int error, const char *message, bool temporary)
{
    char space[256];
    struct buf b;
    centrifugal_begin(c, &b, space, sizeof(space));
    centrifugal_put_error(&b, id, error, message, temporary);
    centrifugal_send(c, &b);
}

/* Times. */

static void sooner(uint64_t *at_ms, uint64_t other_ms)
{
    if (other_ms < *at_ms)
        *at_ms = other_ms;
}

/* When first something expires for good or the backend is to be asked, by the hub's clock. */
static uint64_t first_expiry(const struct centrifugal *c)
{
    uint64_t first = UINT64_MAX, delay = site_of(c)->expired_ms;
    sooner(&first, c->expires_ms > 0 ? c->expires_ms + delay : UINT64_MAX);
    sooner(&first, c->ask_ms > 0 ? c->ask_ms : UINT64_MAX);
    for (unsigned i = 0; c->session != NULL && i < session_subscriptions(c->session); i++) {
        const struct subscription *sub = session_subscription(c->session, i);
        uint64_t at = subscription_expires(sub), renewal = subscription_renewal(sub);
        sooner(&first, at > 0 ? at + delay : UINT64_MAX);
        sooner(&first, renewal > 0 ? renewal : UINT64_MAX);
    }
    return first;
}

void centrifugal_schedule(struct centrifugal *c)
{
    uint64_t now = loop_now(c), at = UINT64_MAX;
    if (c->timer == NULL || c->state == CENTRIFUGAL_OVER)
        return;
    if (c->state != CENTRIFUGAL_CONNECTED || c->pings)
        sooner(&at, c->due_ms);
    sooner(&at, c->pong_ms > 0 ? c->pong_ms : UINT64_MAX);
    uint64_t expiry = first_expiry(c), wall = c->session ? hub_now(session_hub(c->session)) : 0;
    if (expiry != UINT64_MAX && c->session != NULL)
        sooner(&at, now + (expiry > wall ? expiry - wall : 0));
    if (at == UINT64_MAX)
        duet_timer_cancel(c->timer);
    else
        duet_timer_set(c->timer, at > now ? at - now : 0);
}

static void ping(struct centrifugal *c, uint64_t now)
{
    char space[16];
    struct buf b;
    c->due_ms = now + site_of(c)->ping_ms;
    if (!c->listens_only && c->pong_ms == 0) /* pings may come faster than pongs are due */
        c->pong_ms = now + site_of(c)->pong_ms;
    centrifugal_begin(c, &b, space, sizeof(space));
    buf_puts(&b, "{}");
    centrifugal_send(c, &b);
}

/* A subscription whose token was not renewed in time. True: there was one. */
static bool end_expired(struct centrifugal *c, uint64_t wall)
{
    for (unsigned i = 0; i < session_subscriptions(c->session); i++) {
        struct subscription *sub = session_subscription(c->session, i);
        uint64_t at = subscription_expires(sub);
        if (at == 0 || at + site_of(c)->expired_ms > wall)
            continue;
        char name[HUB_NAME_MOST];
        size_t len;
        const char *channel = subscription_channel(sub, &len);
        bool server_side = subscription_server_side(sub);
        memcpy(name, channel, len);
        session_unsubscribe(c->session, name, len);
        centrifugal_calls[0].unsubscribed(c->session, name, len, server_side, HUB_UNSUBSCRIBE_EXPIRED);
        return true;
    }
    return false;
}

/* What the backend let in, and may let in for longer. */
static void renew(struct centrifugal *c, uint64_t wall)
{
    if (c->ask_ms > 0 && c->ask_ms <= wall)
        centrifugal_ask_refresh(c);
    for (unsigned i = 0; i < session_subscriptions(c->session); i++) {
        struct subscription *sub = session_subscription(c->session, i);
        uint64_t at = subscription_renewal(sub);
        if (at > 0 && at <= wall)
            centrifugal_ask_sub_refresh(c, sub);
    }
}

static void due(void *arg)
{
    struct centrifugal *c = arg;
    uint64_t now = loop_now(c);
    if (c->state == CENTRIFUGAL_OVER) {
        leave(c);
        return;
    }
    if (c->pong_ms > 0 && c->pong_ms <= now && c->held) /* it may be here, and not be read: the backend takes long */
        c->pong_ms = now + site_of(c)->pong_ms;
    if (c->pong_ms > 0 && c->pong_ms <= now) {
        centrifugal_disconnect(c, HUB_DISCONNECT_NO_PONG);
        return;
    }
    if (c->state != CENTRIFUGAL_CONNECTED) {
        if (c->due_ms <= now)
            centrifugal_disconnect(c, HUB_DISCONNECT_STALE);
        else
            centrifugal_schedule(c);
        return;
    }
    uint64_t wall = hub_now(session_hub(c->session));
    if (c->expires_ms > 0 && c->expires_ms + site_of(c)->expired_ms <= wall) {
        centrifugal_disconnect(c, HUB_DISCONNECT_EXPIRED);
        return;
    }
    while (c->state == CENTRIFUGAL_CONNECTED && end_expired(c, wall))
        ;
    if (c->state == CENTRIFUGAL_CONNECTED)
        renew(c, wall);
    if (c->pings && c->due_ms <= now && c->state == CENTRIFUGAL_CONNECTED)
        ping(c, now);
    centrifugal_schedule(c);
}

/* Reading. */

/* What comes now has to wait. */
static bool is_busy(const struct centrifugal *c)
{
    return c->state == CENTRIFUGAL_ASKED || c->state == CENTRIFUGAL_JOINING || c->publishing ||
           c->waiting >= CENTRIFUGAL_COMMANDS;
}

static void read_on(duet_server *s, uint64_t id, void *unused)
{
    struct centrifugal *c = centrifugal_find(s, id);
    (void)unused;
    if (c == NULL)
        return;
    c->posted = false;
    if (c->state == CENTRIFUGAL_OVER || is_busy(c))
        return;
    struct buf all = c->later;
    buf_init(&c->later, NULL, 0);
    duet_conn *conn = c->way == CENTRIFUGAL_WEBSOCKET ? duet_conn_find(s, id) : NULL;
    if (conn != NULL && c->held)
        duet_resume(conn);
    c->held = false;
    if (all.len > 0)
        centrifugal_receive(c, all.at, all.len);
    buf_fini(&all);
}

void centrifugal_wake(struct centrifugal *c)
{
    if (c->posted || (c->later.len == 0 && !c->held) || c->state == CENTRIFUGAL_OVER)
        return;
    c->posted = duet_post(c->server, c->id, read_on, NULL) == 0;
    if (!c->posted)
        centrifugal_disconnect(c, HUB_DISCONNECT_INTERNAL);
}

void centrifugal_wait(struct centrifugal *c)
{
    c->waiting++;
}

void centrifugal_answered(struct centrifugal *c)
{
    assert(c->waiting > 0);
    c->waiting--;
    if (c->waiting < CENTRIFUGAL_COMMANDS / 2)
        centrifugal_wake(c);
}

void centrifugal_connected(struct centrifugal *c)
{
    uint32_t random = 0;
    centrifugal_enter(c, CENTRIFUGAL_CONNECTED);
    /* Without random bytes pings come at once for all, which is no error. */
    hub_random(session_hub(c->session), &random, sizeof(random));
    uint64_t half = site_of(c)->ping_ms / 2;
    c->due_ms = loop_now(c) + half + random % (half + 1);
    centrifugal_schedule(c);
    centrifugal_wake(c);
}

static bool holds(const struct centrifugal *c)
{
    return is_busy(c) || c->later.len > 0;
}

static void keep(struct centrifugal *c, const char *text, size_t len)
{
    duet_conn *conn = c->way == CENTRIFUGAL_WEBSOCKET ? duet_conn_find(c->server, c->id) : NULL;
    if (c->later.len + len + 1 > CENTRIFUGAL_LATER) {
        centrifugal_disconnect(c, HUB_DISCONNECT_TOO_MANY);
        return;
    }
    buf_put(&c->later, "\n", 1);
    buf_put(&c->later, text, len);
    if (c->later.failed) {
        centrifugal_disconnect(c, HUB_DISCONNECT_INTERNAL);
        return;
    }
    if (conn != NULL && !c->held)
        duet_pause(conn);
    c->held = true;
}

/* False: it is no good. */
static bool run(struct centrifugal *c, const struct centrifugal_command *command)
{
    struct centrifugal_request r = { .memory = NULL };
    bool good = command->method == CENTRIFUGAL_PONG || centrifugal_read(&r, command->body);
    if (good)
        centrifugal_run(c, command, &r);
    centrifugal_request_fini(&r);
    return good;
}

static void receive_commands(struct centrifugal *c, const char *text, size_t len)
{
    struct json_slice lines = { text, len };
    struct centrifugal_command command;
    const struct wire_site *site = site_of(c);
    int rc = 0;
    unsigned n = 0;
    while (c->state != CENTRIFUGAL_OVER && lines.len > 0 && !holds(c)) {
        rc = centrifugal_next(&lines, &command);
        if (rc <= 0)
            break;
        n++;
        if (!bucket_spend(&c->commands, hub_now(site->hub), site->commands_per_s)) {
            centrifugal_disconnect(c, HUB_DISCONNECT_TOO_MANY);
            return;
        }
        if (!run(c, &command))
            rc = -1;
        if (rc < 0)
            break;
    }
    if (c->state == CENTRIFUGAL_OVER)
        return;
    if (rc < 0 || (n == 0 && !holds(c)))
        centrifugal_disconnect(c, HUB_DISCONNECT_BAD_REQUEST);
    else if (lines.len > 0 && holds(c))
        keep(c, lines.text, lines.len);
}

/* One that only listens has one thing to say, and that once. */
static void receive_wishes(struct centrifugal *c, const char *text, size_t len)
{
    struct centrifugal_request r = { .memory = NULL };
    struct json_slice object;
    if (c->state == CENTRIFUGAL_WAITING && json_check(text, len, CENTRIFUGAL_DEPTH, &object) &&
        json_kind_of(object) == '{' && centrifugal_read(&r, object))
        centrifugal_connect(c, 0, &r);
    else
        centrifugal_disconnect(c, HUB_DISCONNECT_BAD_REQUEST);
    centrifugal_request_fini(&r);
}

void centrifugal_receive(struct centrifugal *c, const char *text, size_t len)
{
    if (c->state == CENTRIFUGAL_OVER)
        return;
    if (c->listens_only)
        receive_wishes(c, text, len);
    else
        receive_commands(c, text, len);
}
