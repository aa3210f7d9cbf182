/* SPDX-License-Identifier: MIT */
#include "http/location.h"
#include <string.h>
#include <strings.h>

struct output {
    char *at;
    size_t len, cap;
    bool full;
};

static void put(struct output *o, const char *data, size_t len)
{
    o->full = o->full || len >= o->cap - o->len;
    if (o->full || len == 0)
        return;
    memmove(o->at + o->len, data, len); /* put_merged() has both in one place */
    o->len += len;
}

static void put_text(struct output *o, const char *text)
{
    put(o, text, strlen(text));
}

static size_t until(const char *s, size_t len, const char *ends)
{
    size_t n = 0;
    while (n < len && (s[n] == 0 || strchr(ends, s[n]) == NULL))
        n++;
    return n;
}

/* "a:", before anything that ends a segment: then it is no reference (RFC 3986 4.2). */
static bool has_scheme(const char *s, size_t len)
{
    size_t n = until(s, len, ":/?#");
    return n > 0 && n < len && s[n] == ':';
}

/* Puts a path that begins with a slash, without its dot segments (RFC 3986 5.2.4); `root` is where paths begin. */
static void put_path(struct output *o, size_t root, const char *s, size_t len)
{
    while (len > 0 && !o->full) {
        size_t n = 1 + until(s + 1, len - 1, "/");
        bool last = n == len, here = n == 2 && s[1] == '.', up = n == 3 && s[1] == '.' && s[2] == '.';
        while (up && o->len > root && o->at[--o->len] != '/')
            ;
        if (!here && !up)
            put(o, s, n);
        else if (last)
            put(o, "/", 1);
        s += n;
        len -= n;
    }
}

static void put_origin(struct output *o, const struct http_url *base)
{
    char host[300];
    put_text(o, base->secure ? "wss://" : "ws://");
    size_t n = http_url_host_field(base, host, sizeof(host));
    o->full = o->full || n == 0;
    put(o, host, n);
}

/* The base's path up to its last slash, and the reference behind it: one path, whose dot segments go. */
static void put_merged(struct output *o, const struct http_url *base, const char *value, size_t path)
{
    size_t root = o->len, end = until(base->target.at, base->target.len, "?");
    while (end > 0 && base->target.at[end - 1] != '/')
        end--;
    if (end == 0)
        put(o, "/", 1);
    put(o, base->target.at, end);
    put(o, value, path);
    if (o->full)
        return;
    /* In place: what is put never gets ahead of what is read. */
    struct output again = { o->at, root, o->cap, false };
    put_path(&again, root, o->at + root, o->len - root);
    o->len = again.len;
}

static void put_reference(struct output *o, const struct http_url *base, const char *value, size_t len)
{
    size_t path = until(value, len, "?"), base_path = until(base->target.at, base->target.len, "?");
    put_origin(o, base);
    if (path > 0 && value[0] == '/') {
        put_path(o, o->len, value, path);
    } else if (path > 0) {
        put_merged(o, base, value, path);
    } else {
        put_text(o, base->root);
        put(o, base->target.at, len > 0 ? base_path : base->target.len);
    }
    put(o, value + path, len - path);
}

size_t http_location(const struct http_url *base, const char *value, size_t len, char *out, size_t cap)
{
    struct output o = { out, 0, cap, cap == 0 };
    len = until(value, len, "#");
    if (memchr(value, 0, len) != NULL)
        return 0;
    if (has_scheme(value, len)) {
        put(&o, value, len);
    } else if (len > 1 && value[0] == '/' && value[1] == '/') {
        put_text(&o, base->secure ? "wss:" : "ws:");
        put(&o, value, len);
    } else {
        put_reference(&o, base, value, len);
    }
    if (o.full)
        return 0;
    out[o.len] = 0;
    return o.len;
}

bool http_url_same_host(const struct http_url *a, const struct http_url *b)
{
    return a->host.len == b->host.len && a->host.len > 0 && strncasecmp(a->host.at, b->host.at, a->host.len) == 0;
}

bool http_url_same_origin(const struct http_url *a, const struct http_url *b)
{
    return a->secure == b->secure && a->port == b->port && http_url_same_host(a, b);
}
