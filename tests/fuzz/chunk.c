/* SPDX-License-Identifier: MIT */
/* A chunked body ends alike whole and byte by byte, with the same bytes and the same rest (HTTP-10). */
#include "fuzz.h"
#include "http/chunk.h"

struct seen {
    size_t used, body;
    int rc;
};

static struct seen feed(const char *s, size_t size, size_t piece)
{
    struct http_chunk c = {0};
    struct seen seen = {0};
    for (struct http_text data; seen.rc == 0 && seen.used < size;) {
        struct http_text in = {s + seen.used, size - seen.used < piece ? size - seen.used : piece};
        while ((seen.rc = http_chunk_next(&c, &in, &data)) == HTTP_CHUNK_DATA)
            seen.body += data.len;
        seen.used = (size_t)(in.at - s);
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = feed((const char *)data, size, size), bytes = feed((const char *)data, size, 1);
    CHECK(whole.rc == bytes.rc && whole.used == bytes.used && whole.body == bytes.body && whole.body <= size);
    return 0;
}
