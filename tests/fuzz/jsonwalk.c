/* SPDX-License-Identifier: MIT */
/* The tokens of a JSON text lie in it in order, and put together they are a text with the same tokens. */
#include "fuzz.h"
#include "base/jsonwalk.h"

static char *joined;
static size_t joined_len;
static const char *from, *end;

static void join(void *arg, const struct json_token *t)
{
    CHECK(t->text >= from && t->len > 0 && t->len <= (size_t)(end - t->text) && t->depth <= JSON_DEPTH_MOST);
    from = t->text + t->len;
    memcpy((char *)arg + joined_len, t->text, t->len);
    joined_len += t->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    joined = malloc(2 * size + 1);
    joined_len = 0;
    from = (const char *)data;
    end = from + size;
    if (json_walk((const char *)data, size, join, joined)) {
        size_t len = joined_len;
        from = joined;
        end = joined + len;
        CHECK(json_walk(joined, len, join, joined) && joined_len == 2 * len);
        CHECK(memcmp(joined, joined + len, len) == 0);
    }
    free(joined);
    return 0;
}
