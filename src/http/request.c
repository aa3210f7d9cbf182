/* SPDX-License-Identifier: MIT */
#include "http/request.h"
#include "base/hex.h"
#include "base/mem.h"
#include "http/field.h"
#include "http/path.h"
#include <string.h>
#include <strings.h>

/* What follows a string in a head is a blank, a colon or the line's end, and no longer needed. */
static void terminate(char *data, struct http_span span)
{
    data[span.at + span.len] = 0;
}

/* The authority that counts (HTTP-14); NULL: there is none. That of an absolute-form target ends where its path begins,
 * so it moves over the slash before it, which makes room for its zero byte. */
static const char *authority(char *data, const struct http_head *head)
{
    char *at = data + head->host.at;
    if (head->host.len == 0)
        return NULL;
    if (head->host.at > head->target.at + head->target.len)
        return at;
    memmove(at - 1, at, head->host.len);
    at[head->host.len - 1] = 0;
    return at - 1;
}

int request_init(struct duet_request *r, char *data, const struct http_head *head)
{
    memset(r, 0, sizeof(*r));
    r->data = data;
    r->head = head;
    r->peer = "";
    size_t len = head->path.len;
    r->path = mem_alloc(len + 2);
    if (r->path == NULL)
        return DUET_ERR_NOMEM;
    if (http_path_decode(data + head->path.at, len, r->path, len + 2) < 0)
        return -400;
    for (unsigned i = 0; i < head->count; i++) {
        terminate(data, head->fields[i].name);
        terminate(data, head->fields[i].value);
    }
    terminate(data, head->method_text);
    terminate(data, head->target);
    struct http_text query = http_path_query(data + head->path.at, len);
    r->query = query.at;
    r->host = authority(data, head);
    return 0;
}

void request_fini(struct duet_request *r)
{
    mem_free(r->path);
    r->path = NULL;
}

const char *duet_request_method(const duet_request *r)
{
    return r->data + r->head->method_text.at;
}

const char *duet_request_path(const duet_request *r)
{
    return r->path;
}

const char *duet_request_query(const duet_request *r)
{
    return r->query;
}

/* Decodes one value of a query (a plus is a blank, as forms send it). */
static long decode(const char *from, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < cap; i++) {
        char c = from[i] == '+' ? ' ' : from[i];
        if (c == '%' && i + 2 < len && hex_pair(from + i + 1) >= 0) {
            c = (char)hex_pair(from + i + 1);
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = 0;
    return (long)n;
}

long duet_request_param(const duet_request *r, const char *key, char *out, size_t cap)
{
    size_t key_len = strlen(key);
    const char *at = r->query;
    while (at != NULL && *at != 0) {
        size_t len = strcspn(at, "&");
        size_t name = strcspn(at, "&=");
        if (name == key_len && memcmp(at, key, name) == 0)
            return name < len ? decode(at + name + 1, len - name - 1, out, cap) : decode("", 0, out, cap);
        at += len;
        at += *at == '&';
    }
    return -1;
}

const char *duet_request_header(const duet_request *r, const char *name)
{
    for (unsigned i = 0; i < r->head->count; i++)
        if (strcasecmp(r->data + r->head->fields[i].name.at, name) == 0)
            return r->data + r->head->fields[i].value.at;
    return NULL;
}

bool duet_request_field(const duet_request *r, unsigned i, duet_header *out)
{
    if (i >= r->head->count)
        return false;
    out->name = r->data + r->head->fields[i].name.at;
    out->value = r->data + r->head->fields[i].value.at;
    return true;
}

const char *duet_request_origin(const duet_request *r)
{
    return duet_request_header(r, "origin");
}

const char *duet_request_host(const duet_request *r)
{
    return r->host;
}

const char *duet_request_peer(const duet_request *r)
{
    return r->peer;
}

bool duet_request_is_secure(const duet_request *r)
{
    return r->secure;
}

const void *duet_request_body(const duet_request *r, size_t *len)
{
    *len = r->body_len;
    return r->body;
}

bool duet_request_subprotocol(const duet_request *r, unsigned i, char *out, size_t cap)
{
    struct http_text rest, element;
    for (unsigned from = 0;
         http_head_next(r->head, r->data, "sec-websocket-protocol", &from, &rest.at, &rest.len);)
        while (http_list_next(&rest, &element) == 1)
            if (i-- == 0) {
                size_t n = element.len < cap ? element.len : cap - 1;
                memcpy(out, element.at, n);
                out[n] = 0;
                return true;
            }
    return false;
}

bool duet_request_offers(const duet_request *r, const char *subprotocol)
{
    char name[256];
    for (unsigned i = 0; duet_request_subprotocol(r, i, name, sizeof(name)); i++)
        if (strcmp(name, subprotocol) == 0)
            return true;
    return false;
}
