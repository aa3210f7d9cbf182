/* SPDX-License-Identifier: MIT */
#include "wire/centrifugal_form.h"
#include "base/json.h"
#include "wire/wire.h"
#include <inttypes.h>
#include <string.h>

static const struct {
    const char *before, *behind;
} around[CENTRIFUGAL_WAYS] = {
    [CENTRIFUGAL_WEBSOCKET] = { "", "" },
    [CENTRIFUGAL_STREAM] = { "", "\n" },
    [CENTRIFUGAL_EVENTS] = { "data: ", "\n\n" },
};

void centrifugal_open(struct buf *b, enum centrifugal_way way)
{
    buf_puts(b, around[way].before);
}

void centrifugal_shut(struct buf *b, enum centrifugal_way way)
{
    buf_puts(b, around[way].behind);
}

void centrifugal_put_push(struct buf *b, bool bare, const char *channel, size_t len, const char *name)
{
    buf_puts(b, bare ? "{" : "{\"push\":{");
    if (len > 0) {
        buf_puts(b, "\"channel\":");
        json_put_string(b, channel, len);
        buf_puts(b, ",");
    }
    buf_puts(b, "\"");
    buf_puts(b, name);
    buf_puts(b, "\":");
}

void centrifugal_end_push(struct buf *b, bool bare)
{
    buf_puts(b, bare ? "}" : "}}");
}

void centrifugal_put_key(struct buf *b, const char *key)
{
    if (b->len > 0 && b->at[b->len - 1] != '{')
        buf_puts(b, ",");
    buf_puts(b, "\"");
    buf_puts(b, key);
    buf_puts(b, "\":");
}

static void put_flag(struct buf *b, const char *key, bool flag)
{
    if (!flag)
        return;
    centrifugal_put_key(b, key);
    buf_puts(b, "true");
}

void centrifugal_put_subscribed(struct buf *b, const struct session_subscribed *r, bool positioned, bool recoverable)
{
    buf_puts(b, "{");
    put_flag(b, "recoverable", recoverable);
    put_flag(b, "positioned", positioned);
    if (positioned || recoverable) {
        centrifugal_put_key(b, "epoch");
        json_put_string(b, r->epoch, strlen(r->epoch));
        if (r->offset > 0)
            buf_printf(b, ",\"offset\":%" PRIu64, r->offset);
    }
    put_flag(b, "recovered", r->recovered);
    put_flag(b, "was_recovering", r->was_recovering);
}

void centrifugal_put_publications(struct buf *b, const struct session_subscribed *r)
{
    if (r->count == 0)
        return;
    centrifugal_put_key(b, "publications");
    for (uint32_t i = 0; i < r->count; i++) {
        buf_puts(b, i > 0 ? "," : "[");
        wire_put_publication(b, r->publications[i]);
    }
    buf_puts(b, "]");
}

void centrifugal_put_code(struct buf *b, int code, const char *reason)
{
    buf_printf(b, "{\"code\":%d,\"reason\":", code);
    json_put_string(b, reason, strlen(reason));
    buf_puts(b, "}");
}

void centrifugal_put_error(struct buf *b, uint32_t id, int error, const char *message, bool temporary)
{
    buf_printf(b, "{\"id\":%" PRIu32 ",\"error\":{\"code\":%d,\"message\":", id, error);
    json_put_string(b, message, strlen(message));
    buf_puts(b, temporary ? ",\"temporary\":true}}" : "}}");
}

/* Forms. */

static duet_shared *show(enum centrifugal_way way, bool bare, const char *channel, size_t len,
                         const struct publication *p)
{
    char space[512];
    struct buf b;
    buf_init(&b, space, sizeof(space));
    centrifugal_open(&b, way);
    centrifugal_put_push(&b, bare, channel, len, "pub");
    wire_put_publication(&b, p);
    centrifugal_end_push(&b, bare);
    centrifugal_shut(&b, way);
    return wire_shared(&b);
}

static duet_shared *show_presence(enum centrifugal_way way, bool bare, const char *channel, size_t len, bool joined,
                                  const char *info, size_t info_len)
{
    char space[512];
    struct buf b;
    buf_init(&b, space, sizeof(space));
    centrifugal_open(&b, way);
    centrifugal_put_push(&b, bare, channel, len, joined ? "join" : "leave");
    buf_puts(&b, "{\"info\":");
    buf_put(&b, info, info_len);
    buf_puts(&b, "}");
    centrifugal_end_push(&b, bare);
    centrifugal_shut(&b, way);
    return wire_shared(&b);
}

#define FORM(name, way, bare)                                                                                          \
    static duet_shared *name(const char *channel, size_t len, const char *epoch, const struct publication *p)          \
    {                                                                                                                  \
        (void)epoch;                                                                                                   \
        return show(way, bare, channel, len, p);                                                                       \
    }                                                                                                                  \
    static duet_shared *name##_presence(const char *channel, size_t len, bool joined, const char *info,                \
                                        size_t info_len)                                                               \
    {                                                                                                                  \
        return show_presence(way, bare, channel, len, joined, info, info_len);                                         \
    }
FORM(message, CENTRIFUGAL_WEBSOCKET, false)
FORM(bare_message, CENTRIFUGAL_WEBSOCKET, true)
FORM(line, CENTRIFUGAL_STREAM, false)
FORM(bare_line, CENTRIFUGAL_STREAM, true)
FORM(event, CENTRIFUGAL_EVENTS, false)
FORM(bare_event, CENTRIFUGAL_EVENTS, true)
#undef FORM

const struct hub_form centrifugal_forms[CENTRIFUGAL_WAYS][2] = {
    [CENTRIFUGAL_WEBSOCKET] = { { message, message_presence }, { bare_message, bare_message_presence } },
    [CENTRIFUGAL_STREAM] = { { line, line_presence }, { bare_line, bare_line_presence } },
    [CENTRIFUGAL_EVENTS] = { { event, event_presence }, { bare_event, bare_event_presence } },
};
