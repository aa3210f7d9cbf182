/* SPDX-License-Identifier: MIT */
#include "proto/extension.h"
#include "http/field.h"
#include <string.h>

enum { PEER_BITS_LEAST = 8 };

static const char field[] = "sec-websocket-extensions";

/* The parameters of one element, as they are written. */
struct params {
    bool server_reset, client_reset, server_window, client_window;
    uint8_t server_bits, client_bits; /* 0: without a value */
};

bool extension_options_valid(const duet_deflate *o)
{
    return (o->window_bits == 0 || (o->window_bits >= EXTENSION_BITS_LEAST && o->window_bits <= EXTENSION_BITS_MOST)) &&
           (o->peer_window_bits == 0 ||
            (o->peer_window_bits >= EXTENSION_BITS_LEAST && o->peer_window_bits <= EXTENSION_BITS_MOST)) &&
           o->level <= 9;
}

static uint8_t bits_or_most(unsigned bits)
{
    return bits ? (uint8_t)bits : EXTENSION_BITS_MOST;
}

/* 8 to 15, in decimal without a leading zero (7.1.2); 0: it is not that. */
static uint8_t window_value(const char *s)
{
    if (s[0] == '1' && s[1] >= '0' && s[1] <= '5' && s[2] == 0)
        return (uint8_t)(10 + s[1] - '0');
    return (s[0] == '8' || s[0] == '9') && s[1] == 0 ? (uint8_t)(s[0] - '0') : 0;
}

static bool is(struct http_text t, const char *name)
{
    return t.len == strlen(name) && memcmp(t.at, name, t.len) == 0;
}

static bool take_flag(bool *flag, bool has_value)
{
    bool fine = !*flag && !has_value;
    *flag = true;
    return fine;
}

static bool take_window(bool *there, uint8_t *bits, const char *value, bool has_value, bool needs_value)
{
    if (*there || (needs_value && !has_value))
        return false;
    *there = true;
    *bits = has_value ? window_value(value) : 0;
    return !has_value || *bits != 0;
}

/* False for one that is unknown, repeated, or has a value that it must not have (7.1). */
static bool take_param(struct params *p, struct http_text name, const char *value, bool has_value, bool answer)
{
    if (is(name, "server_no_context_takeover"))
        return take_flag(&p->server_reset, has_value);
    if (is(name, "client_no_context_takeover"))
        return take_flag(&p->client_reset, has_value);
    if (is(name, "server_max_window_bits"))
        return take_window(&p->server_window, &p->server_bits, value, has_value, true);
    if (is(name, "client_max_window_bits"))
        return take_window(&p->client_window, &p->client_bits, value, has_value, answer);
    return false;
}

/* Takes one element of the list apart. False: it is no permessage-deflate, or not a legal one. */
static bool read_element(struct http_text element, struct params *p, bool answer)
{
    char value[16];
    bool has_value;
    struct http_text name;
    memset(p, 0, sizeof(*p));
    if (http_param_first(&element, &name) != 1 || !is(name, "permessage-deflate"))
        return false;
    int rc;
    while ((rc = http_param_next(&element, &name, value, sizeof(value), &has_value)) == 1)
        if (!take_param(p, name, value, has_value, answer))
            return false;
    return rc == 0;
}

static uint8_t least_of(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* What a server makes of a legal offer. False: a window that our compressor does not have. */
static bool meet(const struct params *p, const duet_deflate *o, struct extension *out)
{
    uint8_t own = bits_or_most(o->window_bits), peer = bits_or_most(o->peer_window_bits);
    if (p->server_window && p->server_bits < EXTENSION_BITS_LEAST)
        return false;
    out->own_reset = p->server_reset || !o->keep_window;
    out->peer_reset = p->client_reset || !o->keep_window;
    out->own_bits = p->server_window ? least_of(own, p->server_bits) : own;
    out->own_said = p->server_window || own < EXTENSION_BITS_MOST;
    /* Only who offers it can be held to a window; what it named itself is a promise already (7.1.2.2). */
    out->peer_bits = EXTENSION_BITS_MOST;
    if (p->client_window)
        out->peer_bits = p->client_bits ? least_of(peer, p->client_bits) : peer;
    out->peer_said = out->peer_bits < EXTENSION_BITS_MOST;
    return true;
}

bool extension_choose(const struct http_head *h, const char *data, const duet_deflate *options, struct extension *out)
{
    struct http_text rest, element;
    struct params params;
    unsigned looked = 0;
    if (!options->on)
        return false;
    for (unsigned from = 0; http_head_next(h, data, field, &from, &rest.at, &rest.len);)
        while (http_list_next(&rest, &element) == 1) {
            if (looked++ == EXTENSION_OFFERS_MOST)
                return false;
            if (read_element(element, &params, false) && meet(&params, options, out))
                return true;
        }
    return false;
}

void extension_answer(struct buf *b, const struct extension *e)
{
    buf_puts(b, "Sec-WebSocket-Extensions: permessage-deflate");
    if (e->own_reset)
        buf_puts(b, "; server_no_context_takeover");
    if (e->peer_reset)
        buf_puts(b, "; client_no_context_takeover");
    if (e->own_said)
        buf_printf(b, "; server_max_window_bits=%u", e->own_bits);
    if (e->peer_said)
        buf_printf(b, "; client_max_window_bits=%u", e->peer_bits);
    buf_put(b, "\r\n", 2);
}

void extension_offer(struct buf *b, const duet_deflate *o)
{
    if (!o->on)
        return;
    uint8_t own = bits_or_most(o->window_bits), peer = bits_or_most(o->peer_window_bits);
    buf_puts(b, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits");
    if (own < EXTENSION_BITS_MOST)
        buf_printf(b, "=%u", own);
    if (!o->keep_window)
        buf_puts(b, "; server_no_context_takeover; client_no_context_takeover");
    if (peer < EXTENSION_BITS_MOST)
        buf_printf(b, "; server_max_window_bits=%u", peer);
    buf_put(b, "\r\n", 2);
}

/* What a client makes of a legal answer. What it asked of the server must be in it (7.1.1.1, 7.1.2.1), with the same
 * or a smaller window; the rest the server may add. */
static bool bear(const struct params *p, const duet_deflate *o, struct extension *out)
{
    uint8_t own = bits_or_most(o->window_bits), peer = bits_or_most(o->peer_window_bits);
    if (!o->keep_window && !p->server_reset)
        return false;
    if (peer < EXTENSION_BITS_MOST && (!p->server_window || p->server_bits > peer))
        return false;
    if (p->client_window && (p->client_bits < EXTENSION_BITS_LEAST || p->client_bits > own))
        return false;
    out->own_reset = p->client_reset || !o->keep_window;
    out->peer_reset = p->server_reset;
    out->own_bits = p->client_window ? p->client_bits : own;
    out->peer_bits = p->server_window ? p->server_bits : EXTENSION_BITS_MOST;
    out->own_said = out->peer_said = false;
    return true;
}

int extension_agree(const struct http_head *h, const char *data, const duet_deflate *options, struct extension *out)
{
    struct http_text rest, element;
    struct params params;
    bool agreed = false;
    for (unsigned from = 0; http_head_next(h, data, field, &from, &rest.at, &rest.len);) {
        int more;
        while ((more = http_list_next(&rest, &element)) == 1) {
            if (agreed || !options->on || !read_element(element, &params, true) || !bear(&params, options, out))
                return DUET_ERR_HANDSHAKE;
            agreed = true;
        }
        if (more < 0)
            return DUET_ERR_HANDSHAKE;
    }
    return agreed;
}
