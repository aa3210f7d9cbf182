/* SPDX-License-Identifier: MIT */
#include "http/forwarded.h"

#include "http/host.h"

/* The last element of all lines of the field; len 0 when there is none. */
static struct http_text last_element(const struct http_head *head, const char *data, const char *name)
{
    struct http_text rest, element, last = { "", 0 };
    unsigned from = 0;
    int rc;
    while (http_head_next(head, data, name, &from, &rest.at, &rest.len)) {
        while ((rc = http_list_next(&rest, &element)) > 0)
            last = element;
        if (rc < 0)
            last = (struct http_text){ "", 0 };
    }
    return last;
}

/*
 * The hops are read from left to right, and `client` is what the answer would be if the line ended here: a new
 * untrusted hop replaces it, a trusted one only where there is none yet, and what is no address takes it away.
 */
static void read_hops(const struct http_head *head, const char *data, struct http_networks trusted,
                      struct http_forwarded *out)
{
    struct http_address peer = out->client, hop;
    struct http_text rest, element;
    unsigned from = 0;
    bool found = false;
    int rc;
    while (http_head_next(head, data, "x-forwarded-for", &from, &rest.at, &rest.len)) {
        while ((rc = http_list_next(&rest, &element)) > 0) {
            bool good = http_address_parse_hop(element.at, element.len, &hop);
            if (good && (!found || !http_networks_hold(trusted, &hop)))
                out->client = hop;
            found = good;
        }
        if (rc < 0)
            found = false;
        if (!found)
            out->client = peer;
    }
}

void http_forwarded_read(const struct http_head *head, const char *data, const struct http_address *peer,
                         struct http_networks trusted, struct http_forwarded *out)
{
    *out = (struct http_forwarded){ .client = *peer, .trusted = http_networks_hold(trusted, peer) };
    if (!out->trusted)
        return;
    read_hops(head, data, trusted, out);
    struct http_text scheme = last_element(head, data, "x-forwarded-proto");
    out->secure = http_text_is(scheme, "https") || http_text_is(scheme, "wss");
    out->has_scheme = out->secure || http_text_is(scheme, "http") || http_text_is(scheme, "ws");
    struct http_text host = last_element(head, data, "x-forwarded-host");
    struct http_host parts;
    if (http_host_parse(host.at, host.len, &parts))
        out->host = host;
}
