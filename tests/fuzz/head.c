/* SPDX-License-Identifier: MIT */
/* A head is served as a second, slow reading of it says, with the same words in the same places; and alike in one
 * piece, in any two, and byte by byte (HTTP-2, HTTP-3). The first byte: a response (bit 0), where to cut. */
#include "fuzz.h"
#include "naive_head.h"
#include "http/head.h"

static struct http_head whole, cut;
static struct naive_head naive;

static void same(const char *s, struct http_span span, struct naive_text text)
{
    CHECK(span.len == text.len && s + span.at == text.at);
}

static void compare(const char *s)
{
    uint64_t length = 0;
    CHECK(whole.size == naive.size && whole.minor == naive.minor && whole.status == naive.status);
    CHECK(whole.count == naive.count);
    if (naive.status == 0) {
        same(s, whole.method_text, naive.method);
        same(s, whole.target, naive.target);
    }
    for (unsigned i = 0; i < naive.count; i++) {
        same(s, whole.fields[i].name, naive.name[i]);
        same(s, whole.fields[i].value, naive.value[i]);
    }
    enum http_body body = http_head_body(&whole, &length);
    CHECK((body == HTTP_BODY_CHUNKED) == naive.chunked || body == HTTP_BODY_NONE);
    CHECK((body == HTTP_BODY_LENGTH) == (naive.length > 0) || body == HTTP_BODY_NONE);
    CHECK(length == 0 || length == naive.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool response = data[0] & 1;
    unsigned fields = response ? NAIVE_FIELDS : NAIVE_REQUEST_FIELDS;
    struct http_limits limits = { NAIVE_HEAD_MOST, NAIVE_TARGET_MOST, fields };
    size_t len = size - 1, first = len * (data[0] >> 1) / 128;
    char *s = exactly(data + 1, len);
    int (*read)(struct http_head *, const char *, size_t, const struct http_limits *) =
        response ? http_head_response : http_head_request;
    http_head_init(&whole);
    http_head_init(&cut);
    int verdict = read(&whole, s, len, &limits), early = read(&cut, s, first, &limits), slow;
    CHECK((early != 0 ? early : read(&cut, s, len, &limits)) == verdict && whole.looked <= 2 * len);
    http_head_init(&cut);
    early = 0;
    for (size_t n = 1; n <= len && early == 0; n++)
        early = read(&cut, s, n, &limits);
    CHECK(early == verdict && (verdict != 1 || cut.size == whole.size) && cut.looked <= 2 * len);
    /* Until a head is whole, one may see sooner than the other that it will be refused. */
    slow = naive_head_read(&naive, s, len, response);
    CHECK((verdict == 1) == (slow == 1));
    if (verdict == 1)
        compare(s);
    free(s);
    return 0;
}
