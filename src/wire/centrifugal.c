/* SPDX-License-Identifier: MIT */
#include "wire/centrifugal.h"
#include "base/mem.h"
#include "wire/centrifugal_client.h"
#include "wire/emulation.h"
#include <string.h>

struct place {
    struct wire wire;
    struct centrifugal *client;
};
_Static_assert(sizeof(struct place) <= WIRE_DATA, "the block is too small");

static const duet_handler handler;

static struct centrifugal *client_of(const duet_conn *c)
{
    struct place *p = c ? duet_data(c) : NULL;
    return p != NULL && p->wire.on == &handler ? p->client : NULL;
}

struct centrifugal *centrifugal_find(duet_server *s, uint64_t id)
{
    struct centrifugal *c = client_of(duet_conn_find(s, id));
    return c ? c : emulation_client(duet_http_find(s, id));
}

static void opened(duet_conn *conn)
{
    struct centrifugal *c = client_of(conn);
    if (centrifugal_start(c, duet_server_of(conn), duet_id(conn)) < 0) {
        duet_close(conn, HUB_DISCONNECT_INTERNAL, hub_code_text(HUB_DISCONNECT_INTERNAL));
        return;
    }
    if (c->later.len == 0)
        return;
    struct buf wishes = c->later; /* of the address */
    buf_init(&c->later, NULL, 0);
    centrifugal_receive(c, wishes.at, wishes.len);
    buf_fini(&wishes);
}

static void message(duet_conn *conn, const duet_msg *m)
{
    struct centrifugal *c = client_of(conn);
    if (m->len > CENTRIFUGAL_MESSAGE)
        duet_close(conn, DUET_CODE_TOO_BIG, "message too big");
    else if (m->type != DUET_TEXT)
        centrifugal_disconnect(c, HUB_DISCONNECT_PROTOCOL);
    else
        centrifugal_receive(c, m->data, m->len);
}

static void closed(duet_conn *conn, const duet_closing *why)
{
    struct place *p = duet_data(conn);
    struct centrifugal *c = p->client;
    (void)why;
    *p = (struct place){ .client = NULL };
    centrifugal_free(c);
}

static const duet_handler handler = { .open = opened, .message = message, .close = closed };

void centrifugal_drain(duet_conn *conn)
{
    struct centrifugal *c = client_of(conn);
    if (c != NULL)
        centrifugal_disconnect(c, HUB_DISCONNECT_SHUTDOWN);
}

bool centrifugal_describe(const duet_conn *conn, struct wire_about *out)
{
    const struct centrifugal *c = client_of(conn);
    if (c == NULL)
        return false;
    out->way = "centrifugal";
    centrifugal_tell(c, out);
    return true;
}

/* The request. */

static const char json_protocol[] = "centrifuge-json";

/* Protobuf was asked for in words: better no connection than one that cannot be read. */
static bool asks_protobuf(const duet_request *r)
{
    char text[16];
    return (duet_request_param(r, "format", text, sizeof(text)) >= 0 && strcmp(text, "protobuf") == 0) ||
           (duet_request_param(r, "cf_protocol", text, sizeof(text)) >= 0 && strcmp(text, "protobuf") == 0);
}

static void upgrade(duet_http *x, const duet_request *r, struct centrifugal *c)
{
    struct place *p = duet_http_data(x);
    char text[8];
    bool failed = false;
    if (c != NULL)
        c->fields = backend_fields(wire_site_of(duet_http_server(x)), r, &failed);
    if (c != NULL && duet_request_param(r, "cf_ws_frame_ping_pong", text, sizeof(text)) >= 0)
        c->pings = strcmp(text, "true") != 0;
    *p = (struct place){ .wire.on = &handler, .client = c };
    if (c != NULL && !c->later.failed && !failed &&
        duet_http_upgrade(x, duet_request_offers(r, json_protocol) ? json_protocol : NULL, NULL) == 0)
        return;
    *p = (struct place){ .client = NULL };
    centrifugal_free(c);
    duet_http_text(x, 503, "out of memory, try again later");
}

void centrifugal_upgrade(duet_http *x, const duet_request *r)
{
    if (asks_protobuf(r))
        duet_http_text(x, 400, "this server speaks the JSON form of the protocol, not Protobuf");
    else
        upgrade(x, r, centrifugal_new(CENTRIFUGAL_WEBSOCKET, false));
}

void centrifugal_uni_upgrade(duet_http *x, const duet_request *r)
{
    struct centrifugal *c = centrifugal_new(CENTRIFUGAL_WEBSOCKET, true);
    if (c != NULL && !emulation_put_connect(&c->later, r)) {
        centrifugal_free(c);
        duet_http_text(x, 414, "cf_connect is too long");
        return;
    }
    upgrade(x, r, c);
}
