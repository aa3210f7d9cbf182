/* SPDX-License-Identifier: MIT */
#include "proto/handshake.h"
#include "base/digest.h"
#include "base/utf8.h"
#include "http/field.h"
#include "http/reply.h"
#include <assert.h>
#include <string.h>
#include <strings.h>

enum { KEY_TEXT = 24, KEY_BYTES = 16 };

static const char protocol_field[] = "sec-websocket-protocol";

bool handshake_asked(const struct http_head *h, const char *data)
{
    return h->minor >= 1 && http_head_has_token(h, data, "upgrade", "websocket");
}

/* The only field of this name; false when there is none or more than one. */
static bool only(const struct http_head *h, const char *data, const char *name, struct http_text *value)
{
    unsigned from = 0;
    if (http_head_count(h, data, name) != 1)
        return false;
    return http_head_next(h, data, name, &from, &value->at, &value->len);
}

/* 0: version 13; 426: another one; 400: no version (4.2.1(6), 4.4, UPG-3). */
static unsigned version_status(const struct http_head *h, const char *data)
{
    struct http_text v;
    if (!only(h, data, "sec-websocket-version", &v) || v.len < 1 || v.len > 3)
        return 400;
    unsigned n = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.at[i] < '0' || v.at[i] > '9')
            return 400;
        n = n * 10 + (unsigned)(v.at[i] - '0');
    }
    if (n > 255 || (v.at[0] == '0' && v.len > 1))
        return 400;
    return n == 13 ? 0 : 426;
}

static bool key_valid(const struct http_head *h, const char *data)
{
    struct http_text v;
    uint8_t bytes[KEY_BYTES + 2];
    return only(h, data, "sec-websocket-key", &v) && v.len == KEY_TEXT &&
           base64_decode(bytes, sizeof(bytes), v.at, v.len) == KEY_BYTES;
}

bool handshake_offered(const struct http_head *h, const char *data, unsigned i, const char **name, size_t *len)
{
    struct http_text rest, element;
    for (unsigned from = 0; http_head_next(h, data, protocol_field, &from, &rest.at, &rest.len);)
        while (http_list_next(&rest, &element) == 1)
            if (i-- == 0) {
                *name = element.at;
                *len = element.len;
                return true;
            }
    return false;
}

/* Tokens, none empty, none twice, a bounded number (4.1(10), UPG-6). */
static bool protocols_valid(const struct http_head *h, const char *data)
{
    struct http_text seen[HANDSHAKE_PROTOCOLS_MOST], rest;
    unsigned count = 0;
    for (unsigned from = 0; http_head_next(h, data, protocol_field, &from, &rest.at, &rest.len);) {
        struct http_text e;
        int more;
        while ((more = http_list_next(&rest, &e)) == 1) {
            if (count == HANDSHAKE_PROTOCOLS_MOST || !http_is_token(e.at, e.len))
                return false;
            for (unsigned i = 0; i < count; i++)
                if (seen[i].len == e.len && memcmp(seen[i].at, e.at, e.len) == 0)
                    return false;
            seen[count++] = e;
        }
        if (more < 0)
            return false;
    }
    return true;
}

/* The grammar of 9.1; what the offers mean is the extensions' matter. */
static bool extensions_valid(const struct http_head *h, const char *data)
{
    struct http_text rest, offer;
    for (unsigned from = 0; http_head_next(h, data, "sec-websocket-extensions", &from, &rest.at, &rest.len);) {
        int more;
        while ((more = http_list_next(&rest, &offer)) == 1) {
            char value[64];
            bool has_value;
            struct http_text name = { NULL, 0 };
            int rc = http_param_first(&offer, &name);
            while (rc == 1)
                rc = http_param_next(&offer, &name, value, sizeof(value), &has_value);
            if (rc < 0 || name.len == 0)
                return false;
        }
        if (more < 0)
            return false;
    }
    return true;
}

/* Text in the handshake is UTF-8 (8.1). */
static bool values_valid(const struct http_head *h, const char *data)
{
    for (unsigned i = 0; i < h->count; i++)
        if (!utf8_valid(data + h->fields[i].value.at, h->fields[i].value.len))
            return false;
    return true;
}

struct handshake_verdict handshake_check(const struct http_head *h, const char *data)
{
    uint64_t length = 0;
    if (h->method != HTTP_GET)
        return (struct handshake_verdict){ 405, "an upgrade must be a GET" };
    if (!handshake_asked(h, data))
        return (struct handshake_verdict){ 426, "no Upgrade to websocket in HTTP/1.1" };
    if (!http_head_has_token(h, data, "connection", "upgrade"))
        return (struct handshake_verdict){ 400, "Connection without Upgrade" };
    if (http_head_body(h, &length) != HTTP_BODY_NONE)
        return (struct handshake_verdict){ 400, "an upgrade with a body" };
    unsigned version = version_status(h, data);
    if (version != 0)
        return (struct handshake_verdict){ version, "Sec-WebSocket-Version is not 13" };
    if (!key_valid(h, data))
        return (struct handshake_verdict){ 400, "Sec-WebSocket-Key is not 16 bytes in base64, once" };
    if (http_head_count(h, data, "origin") > 1)
        return (struct handshake_verdict){ 400, "two Origins" };
    if (!protocols_valid(h, data))
        return (struct handshake_verdict){ 400, "Sec-WebSocket-Protocol is no list of distinct tokens" };
    if (!extensions_valid(h, data))
        return (struct handshake_verdict){ 400, "Sec-WebSocket-Extensions breaks its grammar" };
    if (!values_valid(h, data))
        return (struct handshake_verdict){ 400, "a field is not UTF-8" };
    return (struct handshake_verdict){ 0, NULL };
}

void handshake_accept_text(char out[HANDSHAKE_ACCEPT + 1], const char *key, size_t len)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char both[KEY_TEXT + sizeof(guid)];
    uint8_t hash[20];
    assert(len <= KEY_TEXT); /* key_valid() saw to it */
    memcpy(both, key, len);
    memcpy(both + len, guid, sizeof(guid) - 1);
    digest_sha1(both, len + sizeof(guid) - 1, hash);
    base64_encode(out, hash, sizeof(hash));
}

static bool was_offered(const struct http_head *h, const char *data, const char *subprotocol)
{
    const char *name;
    size_t len, want = strlen(subprotocol);
    for (unsigned i = 0; handshake_offered(h, data, i, &name, &len); i++)
        if (len == want && memcmp(name, subprotocol, len) == 0)
            return true;
    return false;
}

int handshake_answer(struct buf *b, const struct http_head *h, const char *data, const struct handshake_terms *terms)
{
    if (terms->subprotocol != NULL && !was_offered(h, data, terms->subprotocol))
        return DUET_ERR_INVALID;
    int rc = reply_fields_check(terms->headers);
    if (rc < 0)
        return rc;
    struct http_text key = { "", 0 };
    char accept[HANDSHAKE_ACCEPT + 1];
    only(h, data, "sec-websocket-key", &key);
    handshake_accept_text(accept, key.at, key.len);
    reply_line(b, 101);
    reply_field(b, "Upgrade", "websocket");
    reply_field(b, "Connection", "Upgrade");
    reply_field(b, "Sec-WebSocket-Accept", accept);
    if (terms->subprotocol != NULL)
        reply_field(b, "Sec-WebSocket-Protocol", terms->subprotocol);
    if (terms->extension != NULL)
        extension_answer(b, terms->extension);
    reply_fields(b, terms->headers);
    buf_put(b, "\r\n", 2);
    return 0;
}

void handshake_refusal_fields(struct buf *b, unsigned status)
{
    /* "close" besides, so that no proxy takes the connection for a tunnel (UPG-14). */
    if (status == 426) {
        reply_field(b, "Upgrade", "websocket");
        reply_field(b, "Connection", "Upgrade, close");
        reply_field(b, "Sec-WebSocket-Version", "13");
    } else {
        reply_field(b, "Connection", "close");
        if (status == 405)
            reply_field(b, "Allow", "GET");
    }
}

static bool text_is_clean(const char *s)
{
    for (; *s != 0; s++)
        if ((unsigned char)*s <= 0x20 || *s == 0x7f)
            return false;
    return true;
}

static int protocols_request(struct buf *b, const char *const *names)
{
    if (names == NULL || names[0] == NULL)
        return 0;
    buf_puts(b, "Sec-WebSocket-Protocol: ");
    for (size_t i = 0; names[i] != NULL; i++) {
        if (i >= HANDSHAKE_PROTOCOLS_MOST || !http_is_token(names[i], strlen(names[i])))
            return DUET_ERR_INVALID;
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[k], names[i]) == 0)
                return DUET_ERR_INVALID;
        if (i > 0)
            buf_puts(b, ", ");
        buf_puts(b, names[i]);
    }
    buf_put(b, "\r\n", 2);
    return 0;
}

int handshake_request(struct buf *b, const duet_proto_config *c, const char *key)
{
    const char *target = c->target && c->target[0] ? c->target : "/";
    if (c->host == NULL || c->host[0] == 0 || !text_is_clean(c->host) || !text_is_clean(target) || target[0] != '/' ||
        strchr(target, '#') || (c->origin && !text_is_clean(c->origin)))
        return DUET_ERR_INVALID;
    int rc = reply_fields_check(c->headers);
    if (rc < 0)
        return rc;
    for (const duet_header *f = c->headers; f != NULL && f->name != NULL; f++)
        if (strcasecmp(f->name, "host") == 0 || strcasecmp(f->name, "origin") == 0)
            return DUET_ERR_INVALID;
    buf_printf(b, "GET %s HTTP/1.1\r\n", target);
    reply_field(b, "Host", c->host);
    reply_field(b, "Upgrade", "websocket");
    reply_field(b, "Connection", "Upgrade");
    reply_field(b, "Sec-WebSocket-Key", key);
    reply_field(b, "Sec-WebSocket-Version", "13");
    if (c->origin != NULL)
        reply_field(b, "Origin", c->origin);
    rc = protocols_request(b, c->subprotocols);
    if (rc < 0)
        return rc;
    extension_offer(b, &c->deflate);
    reply_fields(b, c->headers);
    buf_put(b, "\r\n", 2);
    return 0;
}

const char *handshake_response(const struct http_head *h, const char *data, const duet_proto_config *config,
                               const char *accept, const char **subprotocol)
{
    struct http_text v;
    *subprotocol = NULL;
    if (h->status != 101)
        return "the server did not switch protocols";
    if (!http_head_has_token(h, data, "upgrade", "websocket"))
        return "the answer has no Upgrade to websocket";
    if (!http_head_has_token(h, data, "connection", "upgrade"))
        return "the answer has no Connection with Upgrade";
    if (!only(h, data, "sec-websocket-accept", &v))
        return "the answer has no Sec-WebSocket-Accept, or two";
    if (v.len != HANDSHAKE_ACCEPT || memcmp(v.at, accept, v.len) != 0)
        return "the answer's Sec-WebSocket-Accept is none for this key";
    if (http_head_count(h, data, protocol_field) == 0)
        return NULL;
    if (!only(h, data, protocol_field, &v))
        return "the answer has two Sec-WebSocket-Protocol";
    for (const char *const *name = config->subprotocols; name != NULL && *name != NULL; name++)
        if (strlen(*name) == v.len && memcmp(*name, v.at, v.len) == 0)
            *subprotocol = *name;
    return *subprotocol ? NULL : "the answer has a Sec-WebSocket-Protocol that was not offered";
}
