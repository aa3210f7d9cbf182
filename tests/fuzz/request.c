/* SPDX-License-Identifier: MIT */
/* What is read out of a good head's fields: ranges, dates, codings, entity tags, hops. */
#include "fuzz.h"
#include "http/accept.h"
#include "http/date.h"
#include "http/etag.h"
#include "http/forwarded.h"
#include "http/range.h"

static const struct http_limits limits = {16384, 8192, 100};
static struct http_head head;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data;
    uint64_t first, last;
    if (http_range_parse(s, size, size, &first, &last) == 1)
        CHECK(first <= last && last < size);
    http_date_parse(s, size, &(int64_t){0});
    http_head_init(&head);
    if (http_head_request(&head, s, size, &limits) != 1)
        return 0;
    CHECK(http_accept_encoding(&head, s, "br") <= 1000);
    http_etag_listed(&head, s, "if-none-match", "\"a\"", HTTP_ETAG_WEAK);
    struct http_network all = {0};
    struct http_forwarded f;
    http_forwarded_read(&head, s, &all.base, (struct http_networks){&all, 1}, &f);
    return 0;
}
