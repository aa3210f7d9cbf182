/* SPDX-License-Identifier: MIT */
#include "http/origin.h"

#include <string.h>
#include <strings.h>

/* RFC 3986 3.1. */
static bool is_scheme(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool letter = (s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z';
        bool later = (s[i] >= '0' && s[i] <= '9') || s[i] == '+' || s[i] == '-' || s[i] == '.';
        if (!letter && (i == 0 || !later))
            return false;
    }
    return len > 0;
}

static uint16_t own_port(struct http_text scheme)
{
    if (http_text_is(scheme, "http") || http_text_is(scheme, "ws"))
        return 80;
    return http_text_is(scheme, "https") || http_text_is(scheme, "wss") ? 443 : 0;
}

static bool parse(const char *s, size_t len, bool entry, struct http_origin *origin)
{
    *origin = (struct http_origin){ .opaque = len == 4 && memcmp(s, "null", 4) == 0 };
    if (origin->opaque)
        return true;
    const char *colon = len > 0 ? memchr(s, ':', len) : NULL;
    size_t n = colon != NULL ? (size_t)(colon - s) : 0;
    if (!is_scheme(s, n) || len - n < 3 || memcmp(colon, "://", 3) != 0)
        return false;
    origin->scheme = (struct http_text){ s, n };
    struct http_text rest = { s + n + 3, len - n - 3 };
    if (entry && rest.len > 2 && memcmp(rest.at, "*.", 2) == 0) {
        origin->any_label = true;
        rest = (struct http_text){ rest.at + 2, rest.len - 2 };
    }
    if (!http_host_parse(rest.at, rest.len, &origin->host))
        return false;
    /* A "*" elsewhere is allowed by the grammar of hosts, but would not do here what its writer hopes. */
    if (entry && (memchr(origin->host.name.at, '*', origin->host.name.len) || (origin->any_label && origin->host.ipv6)))
        return false;
    origin->port = origin->host.has_port ? origin->host.port : own_port(origin->scheme);
    return true;
}

bool http_origin_parse(const char *s, size_t len, struct http_origin *origin)
{
    return parse(s, len, false, origin);
}

bool http_origin_parse_entry(const char *s, size_t len, struct http_origin *entry)
{
    return parse(s, len, true, entry);
}

/* Takes the left label off. False when there is no other behind it. */
static bool drop_label(struct http_host *host)
{
    const char *dot = host->ipv6 ? NULL : memchr(host->name.at, '.', host->name.len);
    if (dot == NULL || dot == host->name.at)
        return false;
    size_t used = (size_t)(dot - host->name.at) + 1;
    host->name.at += used;
    host->name.len -= used;
    return true;
}

bool http_origin_matches(const struct http_origin *entry, const struct http_origin *origin)
{
    if (entry->opaque || origin->opaque)
        return entry->opaque && origin->opaque;
    struct http_host host = origin->host;
    if (entry->any_label && !drop_label(&host))
        return false;
    return entry->scheme.len == origin->scheme.len &&
           strncasecmp(entry->scheme.at, origin->scheme.at, entry->scheme.len) == 0 && entry->port == origin->port &&
           http_host_same(&entry->host, &host);
}

/* The origin of pages that this very server serves. */
static bool own_origin(const struct http_origin_rule *rule, struct http_origin *own)
{
    const char *scheme = rule->secure ? "https" : "http";
    *own = (struct http_origin){ .scheme = { scheme, strlen(scheme) } };
    if (!http_host_parse(rule->host.at, rule->host.len, &own->host))
        return false;
    own->port = own->host.has_port ? own->host.port : own_port(own->scheme);
    return true;
}

bool http_origin_allowed(const struct http_origin_rule *rule, const char *value, size_t len)
{
    struct http_origin origin, own;
    if (value == NULL)
        return !rule->require;
    if (!http_origin_parse(value, len, &origin))
        return false;
    if (own_origin(rule, &own) && http_origin_matches(&own, &origin))
        return true;
    for (size_t i = 0; i < rule->allow_count; i++)
        if (http_origin_matches(&rule->allow[i], &origin))
            return true;
    return false;
}
