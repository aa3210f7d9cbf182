/* SPDX-License-Identifier: MIT */
#include "wire/emulation.h"
#include "base/mem.h"
#include "wire/centrifugal_client.h"
#include "wire/query.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID = 16, SESSION = ID + CENTRIFUGAL_SECRET }; /* letters */

struct place {
    struct wire wire;
    struct centrifugal *client;
};
_Static_assert(sizeof(struct place) <= WIRE_DATA, "the block is too small");

static const duet_handler handler;

struct centrifugal *emulation_client(duet_http *x)
{
    struct place *p = x ? duet_http_data(x) : NULL;
    return p != NULL && p->wire.on == &handler ? p->client : NULL;
}

static void gone(duet_http *x)
{
    struct place *p = duet_http_data(x);
    struct centrifugal *c = p->client;
    if (c != NULL)
        centrifugal_tell_end(c, x);
    *p = (struct place){ .client = NULL };
    centrifugal_free(c);
}

static const duet_handler handler = { .gone = gone };

void emulation_drain(duet_http *x)
{
    struct centrifugal *c = emulation_client(x);
    if (c != NULL)
        centrifugal_disconnect(c, HUB_DISCONNECT_SHUTDOWN);
}

/* Streams. */

bool emulation_put_connect(struct buf *b, const duet_request *r)
{
    char value[8 * 1024 + 1]; /* as long as a target may be */
    const char *at = duet_request_query(r);
    long len = query_next(&at, "cf_connect", value, sizeof(value));
    if (len > 0)
        buf_put(b, value, (size_t)len);
    return len != -2;
}

/* What it wants, of the body or of the address. */
static const char *read_connect(struct buf *b, const duet_request *r, unsigned *status)
{
    size_t len;
    const void *body = duet_request_body(r, &len);
    *status = len > CENTRIFUGAL_MESSAGE ? 413 : 0;
    if (*status == 0 && len > 0)
        buf_put(b, body, len);
    else if (*status == 0 && !emulation_put_connect(b, r))
        *status = 414;
    if (*status == 0 && b->failed)
        *status = 503;
    if (*status == 0 && b->len == 0)
        *status = 400;
    return *status == 503   ? "out of memory, try again later"
           : *status == 400 ? "what to connect with is in the body or in cf_connect"
                            : "this is longer than a message may be";
}

static bool begin(duet_http *x, const duet_request *r, enum centrifugal_way way, struct centrifugal *c)
{
    const duet_header headers[] = {
        { "Content-Type", way == CENTRIFUGAL_EVENTS ? "text/event-stream" : "application/x-ndjson" },
        { "Cache-Control", "no-store" },
        { "X-Accel-Buffering", "no" },
        { NULL, NULL },
    };
    struct place *p = duet_http_data(x);
    bool failed = false;
    if (c != NULL)
        c->fields = backend_fields(wire_site_of(duet_http_server(x)), r, &failed);
    if (c == NULL || failed || centrifugal_start(c, duet_http_server(x), duet_http_id(x)) < 0 ||
        duet_http_begin(x, 200, headers) < 0) {
        centrifugal_free(c);
        return false;
    }
    *p = (struct place){ .wire.on = &handler, .client = c };
    /* An empty line, so that the head leaves at once. */
    if (way == CENTRIFUGAL_EVENTS)
        duet_http_write(x, "\n", 1);
    return true;
}

static void open_stream(duet_http *x, const duet_request *r, enum centrifugal_way way, bool listens_only)
{
    struct buf wish;
    unsigned status;
    buf_init(&wish, NULL, 0);
    const char *why = read_connect(&wish, r, &status);
    if (status == 400 && listens_only) {
        buf_puts(&wish, "{}");
        status = wish.failed ? 503 : 0;
    }
    if (status == 0 && !begin(x, r, way, centrifugal_new(way, listens_only))) {
        status = 503;
        why = "out of memory, try again later";
    }
    if (status != 0) {
        duet_http_text(x, status, why);
    } else {
        struct centrifugal *c = emulation_client(x);
        if (c != NULL)
            centrifugal_receive(c, wish.at, wish.len);
    }
    buf_fini(&wish);
}

void emulation_stream(duet_http *x, const duet_request *r)
{
    open_stream(x, r, CENTRIFUGAL_STREAM, false);
}

void emulation_sse(duet_http *x, const duet_request *r)
{
    open_stream(x, r, CENTRIFUGAL_EVENTS, false);
}

void emulation_uni_stream(duet_http *x, const duet_request *r)
{
    open_stream(x, r, CENTRIFUGAL_STREAM, true);
}

void emulation_uni_sse(duet_http *x, const duet_request *r)
{
    open_stream(x, r, CENTRIFUGAL_EVENTS, true);
}

/* Commands from elsewhere. */

/* On its way to the stream's loop, and back to that of the request. */
struct parcel {
    duet_server *server;
    uint64_t stream, request;
    char secret[CENTRIFUGAL_SECRET];
    bool taken;
    size_t len;
    char data[];
};

static void answer(duet_server *s, uint64_t id, void *arg)
{
    struct parcel *p = arg;
    duet_http *x = duet_http_find(s, id);
    if (x != NULL && p->taken)
        duet_http_reply(x, 204, NULL, NULL, 0);
    else if (x != NULL)
        duet_http_text(x, 404, "there is no such session");
    mem_free(p);
}

/* In a time that tells nothing of where they differ. */
static bool same_secret(const char *a, const char *b)
{
    unsigned char differ = 0;
    for (int i = 0; i < CENTRIFUGAL_SECRET; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

static void deliver(duet_server *s, uint64_t id, void *arg)
{
    struct parcel *p = arg;
    struct centrifugal *c = emulation_client(duet_http_find(s, id));
    p->taken = c != NULL && c->secret[0] != '\0' && c->state != CENTRIFUGAL_OVER && same_secret(c->secret, p->secret);
    if (p->taken)
        centrifugal_receive(c, p->data, p->len);
    if (duet_post(s, p->request, answer, p) < 0)
        mem_free(p); /* who sent it gets no answer in time */
}

/* What /emulation gets; the strings are unescaped. */
struct letter {
    struct json_slice session, node, data;
    char *memory;
};

static bool read_letter(struct letter *l, struct json_slice object)
{
    struct json_each each = json_each(object);
    struct json_slice name, value;
    char *at = l->memory;
    if (json_kind_of(object) != '{')
        return false;
    while (json_next(&each, &name, &value)) {
        struct json_slice *to = json_is(name, "session") ? &l->session
                                : json_is(name, "node")  ? &l->node
                                : json_is(name, "data")  ? &l->data
                                                         : NULL;
        if (to == NULL)
            continue;
        long len = json_kind_of(value) == '"' && to->text == NULL ? json_unquote(at, value) : -1;
        if (len < 0)
            return false;
        *to = (struct json_slice){ at, (size_t)len };
        at += len;
    }
    return l->session.text != NULL && l->data.len > 0;
}

/* False: it is no name of a session. */
static bool read_session(struct json_slice session, uint64_t *id, const char **secret)
{
    char digits[ID + 1];
    if (session.len != SESSION || strspn(session.text, "0123456789abcdef") < ID)
        return false;
    memcpy(digits, session.text, ID);
    digits[ID] = '\0';
    *id = strtoull(digits, NULL, 16);
    *secret = session.text + ID;
    return true;
}

static struct parcel *pack(duet_http *x, const char *secret, struct json_slice data)
{
    struct parcel *p = mem_alloc(sizeof(*p) + data.len);
    if (p == NULL)
        return NULL;
    *p = (struct parcel){ .server = duet_http_server(x), .request = duet_http_id(x), .len = data.len };
    memcpy(p->secret, secret, CENTRIFUGAL_SECRET);
    memcpy(p->data, data.text, data.len);
    return p;
}

static unsigned post_letter(duet_http *x, const struct letter *l)
{
    const struct wire_site *site = wire_site_of(duet_http_server(x));
    const char *secret;
    uint64_t id;
    if (l->node.len != strlen(site->node) || memcmp(l->node.text, site->node, l->node.len) != 0 ||
        !read_session(l->session, &id, &secret))
        return 404;
    struct parcel *p = pack(x, secret, l->data);
    int rc = p ? duet_post(duet_http_server(x), id, deliver, p) : DUET_ERR_NOMEM;
    if (rc < 0)
        mem_free(p);
    return rc == 0 ? 0 : rc == DUET_ERR_GONE ? 404 : 503;
}

void emulation_post(duet_http *x, const duet_request *r)
{
    struct letter l = { .memory = NULL };
    struct json_slice object;
    size_t len;
    const char *body = duet_request_body(r, &len);
    unsigned status = len > CENTRIFUGAL_MESSAGE ? 413 : 0;
    if (status == 0 && !json_check(body, len, 4, &object))
        status = 400;
    if (status == 0 && (l.memory = mem_alloc(len)) == NULL)
        status = 503;
    if (status == 0 && !read_letter(&l, object))
        status = 400;
    if (status == 0)
        status = post_letter(x, &l);
    mem_free(l.memory);
    if (status != 0)
        duet_http_text(x, status,
                       status == 404   ? "there is no such session"
                       : status == 413 ? "this is longer than a message may be"
                       : status == 400 ? "a session, its node and data, as JSON"
                                       : "out of memory, try again later");
}
