/* SPDX-License-Identifier: MIT */
/* What the server and its application read out of a good head: strings, parameters, codings, entity tags, hops. */
#include "fuzz.h"
#include "http/accept.h"
#include "http/etag.h"
#include "http/forwarded.h"
#include "http/request.h"

static const struct http_limits limits = { 16384, 8192, 100 };
static struct http_head head;

/* Before the head's strings are terminated. */
static void judge_fields(const char *s)
{
    struct http_network all = { .bits = 0 }, none = { .bits = 128 };
    struct http_address peer = { { [15] = 1 } };
    struct http_forwarded f;
    CHECK(http_accept_encoding(&head, s, "br") <= 1000 && http_accept_encoding(&head, s, "identity") <= 1000);
    bool strong = http_etag_listed(&head, s, "if-match", "\"a\"", HTTP_ETAG_STRONG);
    CHECK(!strong || http_etag_listed(&head, s, "if-match", "\"a\"", HTTP_ETAG_WEAK));
    http_forwarded_read(&head, s, &peer, (struct http_networks){ &none, 1 }, &f);
    CHECK(!f.trusted && f.host.len == 0 && memcmp(&f.client, &peer, sizeof(peer)) == 0);
    http_forwarded_read(&head, s, &peer, (struct http_networks){ &all, 1 }, &f);
    CHECK(f.trusted && (f.host.len == 0 || (f.host.at > s && f.host.at + f.host.len <= s + head.size)));
    CHECK(f.has_scheme || !f.secure);
}

static void judge_strings(const duet_request *r)
{
    char value[8], name[8];
    duet_header field;
    long n = duet_request_param(r, "a", value, sizeof(value));
    CHECK(n < (long)sizeof(value) && (n < 0 || value[n] == 0) && duet_request_path(r)[0] == '/');
    CHECK(strlen(duet_request_method(r)) > 0 && (duet_request_host(r) != NULL || head.minor == 0));
    unsigned i = 0;
    for (; duet_request_field(r, i, &field); i++)
        CHECK(strlen(field.name) > 0 && duet_request_header(r, field.name) != NULL);
    CHECK(i == head.count);
    for (i = 0; duet_request_subprotocol(r, i, name, sizeof(name)); i++)
        CHECK(strlen(name) == sizeof(name) - 1 || duet_request_offers(r, name)); /* shorter ones are whole */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = exactly(data, size);
    struct duet_request r;
    http_head_init(&head);
    if (http_head_request(&head, s, size, &limits) == 1) {
        judge_fields(s);
        int rc = request_init(&r, s, &head);
        CHECK(rc == 0 || rc == -400);
        if (rc == 0)
            judge_strings(&r);
        request_fini(&r);
    }
    free(s);
    return 0;
}
