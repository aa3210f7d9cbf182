/* SPDX-License-Identifier: MIT */
#include "wire/operator.h"
#include "hub/session.h"

struct operator_page {
    struct wire wire;
    struct session *session; /* NULL before `open` */
};
_Static_assert(sizeof(struct operator_page) <= WIRE_DATA, "the block is too small");

static const duet_handler handler;

static struct operator_page *operator_of(const duet_conn *c)
{
    struct operator_page *o = c ? duet_data(c) : NULL;
    return o != NULL && o->wire.on == &handler ? o : NULL;
}

static struct session *find(duet_server *s, uint64_t id)
{
    const struct operator_page *o = operator_of(duet_conn_find(s, id));
    return o ? o->session : NULL;
}

/* With its one channel the connection ends, and its page comes back. */
static void unsubscribed(struct session *s, const char *channel, size_t len, bool server_side, int code)
{
    (void)channel;
    (void)len;
    (void)server_side;
    (void)code;
    wire_disconnect(s, HUB_DISCONNECT_INSUFFICIENT, NULL);
}

static const struct session_calls calls = {
    .find = find,
    .join = wire_join,
    .leave = wire_leave,
    .unsubscribed = unsubscribed,
    .disconnect = wire_disconnect,
};

static void subscribed(struct session *s, uint64_t tag, const struct session_subscribed *r)
{
    (void)tag;
    if (r->error != HUB_OK)
        wire_disconnect(s, HUB_DISCONNECT_INTERNAL, NULL);
}

static void opened(duet_conn *c)
{
    struct operator_page *o = duet_data(c);
    duet_server *server = duet_server_of(c);
    const struct wire_site *site = wire_site_of(server);
    const struct session_who nobody = { .user = "", .info = "" };
    if (session_new(&o->session, site->hub, &calls, server, duet_id(c), &nobody, o) < 0) {
        duet_close(c, DUET_CODE_LATER, "out of memory");
        return;
    }
    session_subscribe(o->session, &(struct session_subscribe){
                                      .channel = "", .operators = true, .form = site->plain, .done = subscribed });
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct operator_page *o = duet_data(c);
    (void)why;
    session_free(o->session);
    o->session = NULL;
}

static const duet_handler handler = { .open = opened, .close = closed };

void operator_upgrade(duet_http *x, const duet_request *r)
{
    struct operator_page *o = duet_http_data(x);
    *o = (struct operator_page){ .wire.on = &handler };
    if (duet_http_upgrade(x, duet_request_offers(r, OPERATOR_PROTOCOL) ? OPERATOR_PROTOCOL : NULL, NULL) == 0)
        return;
    *o = (struct operator_page){ .session = NULL };
    wire_refuse(x, &wire_no_memory);
}

bool operator_describe(const duet_conn *c, struct wire_about *out)
{
    const struct operator_page *o = operator_of(c);
    if (o == NULL)
        return false;
    out->way = "operator";
    wire_describe_session(o->session, out);
    out->channel = NULL; /* it has no name */
    return true;
}
