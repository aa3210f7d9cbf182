/* SPDX-License-Identifier: MIT */
/*
 * What a client gets of a channel that no other gets: each payload as a delta to the one before it that this client
 * got, or only what passes its filter. A delta has its base in what was written to this client for this subscription:
 * so a subscription that begins anew, after whatever gap, begins with a whole payload (HUB-17).
 */
#include "base/json.h"
#include "base/mem.h"
#include "hub/filter.h"
#include "hub/fossil.h"
#include "wire/centrifugal_client.h"
#include <inttypes.h>
#include <string.h>

struct centrifugal_own {
    struct centrifugal_own *next;
    uint64_t tag; /* of its subscription */
    struct filter *filter;
    bool delta;      /* payloads are strings */
    bool differs;    /* and what changed, where that is shorter */
    struct buf base; /* the payload that the client got last, as JSON; nothing yet: none */
};

int centrifugal_own_new(struct centrifugal_own **out, const struct hub_options *o, const struct centrifugal_request *r,
                        bool positioned)
{
    static const char fossil[] = "fossil";
    bool asks = r->delta.len == sizeof(fossil) - 1 && memcmp(r->delta.text, fossil, r->delta.len) == 0;
    bool delta = asks && o->allow_delta_fossil && positioned;
    *out = NULL;
    if (r->filter.text != NULL && (!o->allow_tags_filter || r->delta.len > 0))
        return HUB_ERROR_BAD_REQUEST;
    if (r->filter.text == NULL && !delta)
        return HUB_OK;
    struct centrifugal_own *own = mem_zalloc(sizeof(*own));
    if (own == NULL)
        return HUB_ERROR_INTERNAL;
    own->delta = delta;
    own->differs = o->delta_publish;
    buf_init(&own->base, NULL, 0);
    int rc = r->filter.text != NULL ? filter_new(&own->filter, r->filter) : HUB_OK;
    if (rc != HUB_OK)
        centrifugal_own_free(own);
    else
        *out = own;
    return rc;
}

void centrifugal_own_free(struct centrifugal_own *own)
{
    if (own == NULL)
        return;
    filter_free(own->filter);
    buf_fini(&own->base);
    mem_free(own);
}

void centrifugal_own_free_all(struct centrifugal *c)
{
    while (c->owns != NULL) {
        struct centrifugal_own *next = c->owns->next;
        centrifugal_own_free(c->owns);
        c->owns = next;
    }
}

static bool is_of_session(const struct session *s, uint64_t tag)
{
    for (unsigned i = 0; s != NULL && i < session_subscriptions(s); i++)
        if (subscription_tag(session_subscription(s, i)) == tag)
            return true;
    return false;
}

void centrifugal_own_sweep(struct centrifugal *c)
{
    for (struct centrifugal_own **at = &c->owns, *own; (own = *at) != NULL;) {
        if (is_of_session(c->session, own->tag)) {
            at = &own->next;
            continue;
        }
        *at = own->next;
        centrifugal_own_free(own);
    }
}

/* Writing. */

/* Tags that cannot be read are none; without memory it rather comes than not. */
static bool passes(const struct centrifugal_own *own, const struct publication *p)
{
    struct filter_tags tags;
    if (own->filter == NULL)
        return true;
    int rc = filter_tags_read(&tags, (struct json_slice){ p->is.tags, p->is.tags_len });
    bool pass = rc == HUB_ERROR_INTERNAL || filter_passes(own->filter, &tags);
    filter_tags_fini(&tags);
    return pass;
}

/* Its payload's JSON, or a delta to that of the last one, as a string. */
static void put_delta(struct centrifugal_own *own, struct buf *b, const struct publication *p)
{
    struct buf payload, difference;
    buf_init(&payload, NULL, 0);
    buf_init(&difference, NULL, 0);
    wire_put_payload(&payload, p);
    bool delta = !payload.failed && own->differs && own->base.len > 0 &&
                 fossil_delta(&difference, own->base.at, own->base.len, payload.at, payload.len);
    const struct buf *shown = delta ? &difference : &payload;
    buf_puts(b, "{\"data\":");
    json_put_string(b, shown->at, shown->len);
    if (delta)
        buf_puts(b, ",\"delta\":true");
    wire_put_rest(b, p);
    if (payload.failed)
        b->failed = true;
    buf_fini(&difference);
    buf_fini(&own->base);
    own->base = payload;
}

static void put(struct centrifugal_own *own, struct buf *b, const struct publication *p)
{
    if (own->delta)
        put_delta(own, b, p);
    else
        wire_put_publication(b, p);
}

void centrifugal_own_begin(struct centrifugal *c, struct centrifugal_own *own, uint64_t tag, struct buf *b,
                           const struct session_subscribed *r)
{
    unsigned shown = 0;
    own->tag = tag;
    own->next = c->owns;
    c->owns = own;
    if (own->delta) {
        centrifugal_put_key(b, "delta");
        buf_puts(b, "true");
    }
    for (uint32_t i = 0; i < r->count; i++) {
        if (!passes(own, r->publications[i]))
            continue;
        if (shown == 0)
            centrifugal_put_key(b, "publications");
        buf_puts(b, shown++ == 0 ? "[" : ",");
        put(own, b, r->publications[i]);
    }
    buf_puts(b, shown > 0 ? "]" : "");
}

/* The session's calls. */

void centrifugal_own_publication(struct session *s, const struct subscription *sub, struct publication *p)
{
    struct centrifugal *c = session_owner(s);
    struct centrifugal_own *own = c->owns;
    char space[1024];
    struct buf b;
    size_t len;
    const char *channel = subscription_channel(sub, &len);
    while (own != NULL && own->tag != subscription_tag(sub))
        own = own->next;
    if (own == NULL || c->state == CENTRIFUGAL_OVER || !passes(own, p))
        return;
    centrifugal_begin(c, &b, space, sizeof(space));
    centrifugal_put_push(&b, c->listens_only, channel, len, "pub");
    put(own, &b, p);
    centrifugal_end_push(&b, c->listens_only);
    centrifugal_send(c, &b);
}

void centrifugal_own_joined(struct session *s, const struct subscription *sub, bool joined, const char *info,
                            size_t len)
{
    struct centrifugal *c = session_owner(s);
    char space[1024];
    struct buf b;
    size_t name_len;
    const char *channel = subscription_channel(sub, &name_len);
    centrifugal_begin(c, &b, space, sizeof(space));
    centrifugal_put_push(&b, c->listens_only, channel, name_len, joined ? "join" : "leave");
    buf_puts(&b, "{\"info\":");
    buf_put(&b, info, len);
    buf_puts(&b, "}");
    centrifugal_end_push(&b, c->listens_only);
    centrifugal_send(c, &b);
}
