/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 heads read a second time, with nothing remembered, no table and a byte at a time: the rules of RFC 9112 as
 * docs/threats.md sharpens them (HTTP-3 to HTTP-9, HTTP-14, HTTP-17).
 */
#ifndef TESTS_FUZZ_NAIVE_HEAD_H
#define TESTS_FUZZ_NAIVE_HEAD_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { NAIVE_FIELDS = 200, NAIVE_REQUEST_FIELDS = 100, NAIVE_HEAD_MOST = 16384, NAIVE_TARGET_MOST = 8192 };

struct naive_text {
    const char *at;
    size_t len;
};

struct naive_reading {
    const char *at, *end;
    bool bad, short_of; /* a rule was broken; the bytes ended */
};

struct naive_head {
    size_t size;
    struct naive_text method, target;
    unsigned minor, status, count;
    bool chunked, has_length;
    uint64_t length;
    struct naive_text name[NAIVE_FIELDS], value[NAIVE_FIELDS];
};

static inline bool naive_is(struct naive_text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.at, word, t.len) == 0;
}

static inline bool naive_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static inline bool naive_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* uri-host [ ":" port ] of RFC 3986, without zones and future forms. */
static inline bool naive_host(struct naive_text t)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr address;
    size_t i = 0;
    unsigned port = 0;
    if (t.len > 0 && t.at[0] == '[') {
        for (i = 1; i < t.len && t.at[i] != ']'; i++)
            if (i >= sizeof(text) || t.at[i] == 0)
                return false;
            else
                text[i - 1] = t.at[i];
        if (i++ == t.len || inet_pton(AF_INET6, text, &address) != 1)
            return false;
    } else {
        for (; i < t.len && t.at[i] != ':'; i++) {
            char c = t.at[i];
            bool plain = c != '#' && c != '%' && c != '^' && c != '`' && c != '|' && naive_token_char(c);
            if (c == '%' && i + 2 < t.len && naive_hex(t.at[i + 1]) && naive_hex(t.at[i + 2]))
                i += 2;
            else if (!plain && (c == 0 || strchr("(),;=", c) == NULL))
                return false;
        }
        if (i == 0)
            return false;
    }
    if (i < t.len && t.at[i++] != ':')
        return false;
    for (; i < t.len; i++)
        if (t.at[i] < '0' || t.at[i] > '9' || (port = port * 10 + (unsigned)(t.at[i] - '0')) > 65535)
            return false;
    return true;
}

static inline char naive_next(struct naive_reading *r)
{
    if (r->at == r->end)
        r->short_of = true;
    return r->short_of ? 0 : *r->at++;
}

/* The bytes up to a blank, which is taken too. */
static inline struct naive_text naive_word(struct naive_reading *r, size_t most)
{
    struct naive_text t = { r->at, 0 };
    for (char c; (c = naive_next(r)) != ' ' && !r->short_of; t.len++)
        if (t.len == most || (unsigned char)c < 0x21 || (unsigned char)c > 0x7e)
            r->bad = r->short_of = true;
    return t;
}

/* The bytes up to CRLF, which is taken too. */
static inline struct naive_text naive_line(struct naive_reading *r)
{
    struct naive_text t = { r->at, 0 };
    char last = 0;
    for (char c; (c = naive_next(r)) != '\n' && !r->short_of; t.len++)
        last = c;
    if (!r->short_of && last != '\r')
        r->bad = true;
    t.len -= last == '\r' && !r->short_of;
    return t;
}

static inline void naive_request_line(struct naive_reading *r, struct naive_head *h)
{
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE" };
    bool known = false;
    for (int empty = 0; r->at < r->end && *r->at == '\r'; empty++) {
        naive_next(r);
        if (naive_next(r) != '\n' || empty == 4)
            r->bad = !r->short_of;
        if (r->bad || r->short_of)
            return;
    }
    h->method = naive_word(r, NAIVE_TARGET_MOST);
    if (r->short_of)
        return;
    for (size_t i = 0; i < h->method.len; i++)
        r->bad |= !naive_token_char(h->method.at[i]);
    r->bad |= h->method.len == 0;
    h->target = naive_word(r, NAIVE_TARGET_MOST);
    if (r->short_of || r->bad)
        return;
    struct naive_text t = h->target;
    size_t scheme = t.len > 6 && strncasecmp(t.at, "http://", 7) == 0    ? 7 :
                    t.len > 7 && strncasecmp(t.at, "https://", 8) == 0 ? 8 :
                                                                         0;
    struct naive_text host = { t.at + scheme, 0 };
    while (scheme > 0 && host.len < t.len - scheme && host.at[host.len] != '/' && host.at[host.len] != '?')
        host.len++;
    r->bad |= memchr(t.at, '#', t.len) != NULL || t.len == 0 || (t.at[0] != '/' && (!scheme || !naive_host(host)));
    struct naive_text version = naive_line(r);
    if (r->short_of)
        return;
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        known |= h->method.len == strlen(methods[i]) && memcmp(h->method.at, methods[i], h->method.len) == 0;
    r->bad |= !known || version.len != 8 || memcmp(version.at, "HTTP/1.", 7) != 0;
    h->minor = r->bad ? 0 : (unsigned)(version.at[7] - '0');
    r->bad |= h->minor > 9;
}

static inline void naive_status_line(struct naive_reading *r, struct naive_head *h)
{
    struct naive_text t = naive_line(r);
    if (r->short_of || r->bad)
        return;
    r->bad = t.len < 12 || memcmp(t.at, "HTTP/1.", 7) != 0 || t.at[8] != ' ' || (t.len > 12 && t.at[12] != ' ');
    for (size_t i = 0; i < t.len; i++) {
        bool digit = t.at[i] >= '0' && t.at[i] <= '9';
        r->bad |= ((i == 7 || (i > 8 && i < 12)) && !digit) || ((unsigned char)t.at[i] < 0x20 && t.at[i] != '\t') ||
                  t.at[i] == 0x7f;
    }
    if (r->bad)
        return;
    h->minor = (unsigned)(t.at[7] - '0');
    h->status = (unsigned)((t.at[9] - '0') * 100 + (t.at[10] - '0') * 10 + (t.at[11] - '0'));
    r->bad = h->status < 100 || h->status > 599;
}

static inline struct naive_text naive_trim(struct naive_text t)
{
    for (; t.len > 0 && (*t.at == ' ' || *t.at == '\t'); t.len--)
        t.at++;
    while (t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
        t.len--;
    return t;
}

static inline void naive_field(struct naive_reading *r, struct naive_head *h, struct naive_text t)
{
    struct naive_text name = { t.at, 0 };
    while (name.len < t.len && naive_token_char(t.at[name.len]))
        name.len++;
    unsigned most = h->status ? NAIVE_FIELDS : NAIVE_REQUEST_FIELDS;
    if (h->count == most || name.len == 0 || name.len == t.len || t.at[name.len] != ':') {
        r->bad = true;
        return;
    }
    struct naive_text value = { t.at + name.len + 1, t.len - name.len - 1 };
    value = naive_trim(value);
    for (size_t i = 0; i < value.len; i++)
        r->bad |= ((unsigned char)value.at[i] < 0x20 && value.at[i] != '\t') || value.at[i] == 0x7f;
    h->name[h->count] = name;
    h->value[h->count++] = value;
}

/* The length of the element at the front of a list, up to a comma that stands in no quotes; -1: quotes stay open. */
static inline long naive_element(const char *s, size_t len)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < len && (quoted || s[i] != ','); i++) {
        if (s[i] == '"')
            quoted = !quoted;
        else if (s[i] == '\\' && quoted)
            i++;
    }
    return quoted || i > len ? -1 : (long)i;
}

/* The elements of all lines of a list field, at most `most` of them; how many there are. */
static inline unsigned naive_list(const struct naive_head *h, const char *name, struct naive_text *out, unsigned most)
{
    unsigned n = 0;
    for (unsigned i = 0; i < h->count; i++) {
        long len = 0;
        if (!naive_is(h->name[i], name))
            continue;
        for (size_t at = 0; at <= h->value[i].len; at += (size_t)len + 1) {
            len = naive_element(h->value[i].at + at, h->value[i].len - at);
            if (len < 0)
                break;
            if (n++ < most)
                out[n - 1] = naive_trim((struct naive_text){ h->value[i].at + at, (size_t)len });
        }
    }
    return n;
}

static inline bool naive_listed(const struct naive_head *h, const char *name, const char *token)
{
    struct naive_text elements[1024];
    unsigned n = naive_list(h, name, elements, 1024);
    for (unsigned i = 0; i < n && i < 1024; i++)
        if (naive_is(elements[i], token))
            return true;
    return n > 1024; /* so long a list is not worth a verdict */
}

/* How many lines are called so; the last one's value. */
static inline unsigned naive_lines(const struct naive_head *h, const char *name, struct naive_text *value)
{
    unsigned n = 0;
    for (unsigned i = 0; i < h->count; i++)
        if (naive_is(h->name[i], name)) {
            *value = h->value[i];
            n++;
        }
    return n;
}

/* What the fields say together. */
static inline bool naive_whole(struct naive_head *h)
{
    unsigned hosts = 0;
    for (unsigned i = 0; i < h->count; i++) {
        struct naive_text v = h->value[i];
        if (naive_is(h->name[i], "host") && h->status == 0 && (hosts++ > 0 || !naive_host(v)))
            return false;
        if (naive_is(h->name[i], "transfer-encoding")) {
            if (h->chunked || !naive_is(v, "chunked") || h->minor == 0)
                return false;
            h->chunked = true;
        }
        if (!naive_is(h->name[i], "content-length"))
            continue;
        if (h->has_length || v.len == 0)
            return false;
        h->has_length = true;
        for (size_t k = 0; k < v.len; k++) {
            unsigned __int128 n = (unsigned __int128)h->length * 10 + (unsigned)(v.at[k] - '0');
            if (v.at[k] < '0' || v.at[k] > '9' || n > INT64_MAX)
                return false;
            h->length = (uint64_t)n;
        }
    }
    return !(h->chunked && h->has_length) && (h->status != 0 || hosts == 1 || h->minor == 0);
}

/* 1: a whole head that may be served; 0: it is not whole; -1: it may not be served, whatever follows. */
static inline int naive_head_read(struct naive_head *h, const char *s, size_t len, bool response)
{
    struct naive_reading r = { s, s + (len < NAIVE_HEAD_MOST ? len : NAIVE_HEAD_MOST), false, false };
    struct naive_text line = { s, 1 };
    memset(h, 0, offsetof(struct naive_head, name));
    if (response)
        naive_status_line(&r, h);
    else
        naive_request_line(&r, h);
    while (line.len > 0 && !r.bad && !r.short_of) {
        line = naive_line(&r);
        if (line.len > 0 && !r.bad && !r.short_of)
            naive_field(&r, h, line);
    }
    h->size = (size_t)(r.at - s);
    if (r.bad || (r.short_of && len >= NAIVE_HEAD_MOST))
        return -1;
    return r.short_of ? 0 : naive_whole(h) ? 1 : -1;
}

#endif
