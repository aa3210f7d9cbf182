/* SPDX-License-Identifier: MIT */
/* Origins (WEB-4): two lines, an entry of the allow-list and what a browser says. One that is allowed has the same
 * scheme, host and port, or one label more; hosts are judged as a slow reading judges them. */
#include "fuzz.h"
#include "naive_head.h"
#include "http/origin.h"

static bool same_text(struct http_text a, struct http_text b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *lf = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t n = lf != NULL ? (size_t)(lf - data) : size, m = size - n - (lf != NULL);
    char *one = exactly(data, n), *other = exactly(data + size - m, m);
    struct http_origin entry, origin, strict;
    struct http_host host;
    CHECK(http_host_parse(other, m, &host) == naive_host((struct naive_text){ other, m }));
    bool has_entry = http_origin_parse_entry(one, n, &entry), has_origin = http_origin_parse(other, m, &origin);
    CHECK(!has_entry || !http_origin_parse(one, n, &strict) || http_origin_matches(&entry, &strict) || entry.any_label);
    CHECK(!has_origin || http_origin_matches(&origin, &origin));
    struct http_origin_rule rule = { .host = { "h.example", 9 }, .allow = &entry, .allow_count = has_entry };
    bool own = has_origin && !origin.opaque && http_text_is(origin.scheme, "http") && origin.port == 80 &&
               http_text_is(origin.host.name, "h.example");
    if (has_origin && has_entry && origin.opaque) {
        CHECK(http_origin_allowed(&rule, other, m) == entry.opaque);
    } else if (has_origin && has_entry && http_origin_matches(&entry, &origin)) {
        CHECK(!entry.opaque && same_text(entry.scheme, origin.scheme) && entry.port == origin.port);
        struct http_text tail = { origin.host.name.at + origin.host.name.len - entry.host.name.len,
                                  entry.host.name.len };
        CHECK(entry.host.ipv6 || same_text(entry.host.name, tail));
        size_t more = origin.host.name.len - tail.len;
        CHECK(entry.host.ipv6 || (entry.any_label ? more > 1 && tail.at[-1] == '.' &&
                                                        !memchr(origin.host.name.at, '.', more - 1)
                                                  : more == 0));
        CHECK(http_origin_allowed(&rule, other, m));
    } else {
        CHECK(http_origin_allowed(&rule, other, m) == own);
    }
    free(other);
    free(one);
    return 0;
}
