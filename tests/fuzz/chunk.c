/* SPDX-License-Identifier: MIT */
/* A chunked body ends as a slow reading says, with the same bytes and the same rest, whole and byte by byte, and no
 * call stands still (HTTP-10, CLI-9). */
#include "fuzz.h"
#include "naive_head.h"
#include "http/chunk.h"

struct seen {
    size_t used, body;
    uint64_t hash;
    int rc; /* 2: whole; 0: more is needed; -400 */
};

static struct seen feed(const char *s, size_t size, size_t piece)
{
    struct http_chunk c = { 0 };
    struct seen seen = { .hash = 1 };
    size_t calls = 0;
    for (struct http_text data; seen.rc == 0 && seen.used < size;) {
        struct http_text in = { s + seen.used, size - seen.used < piece ? size - seen.used : piece };
        while ((seen.rc = http_chunk_next(&c, &in, &data)) == HTTP_CHUNK_DATA) {
            CHECK(data.len > 0 && ++calls <= calls_most(size));
            for (size_t i = 0; i < data.len; i++)
                seen.hash = hashed(seen.hash, data.at + i, 1);
            seen.body += data.len;
        }
        CHECK(seen.rc != 0 || in.len == 0);
        seen.used = (size_t)(in.at - s);
    }
    return seen;
}

/* RFC 9112 7.1, line by line. A rule that is broken in a line counts when the line is whole. */
static struct seen read_slowly(const char *s, size_t size)
{
    struct naive_reading r = { s, s + size, false, false };
    struct seen seen = { .hash = 1 };
    uint64_t left = 1;
    while (left > 0) {
        struct naive_text t = naive_line(&r);
        size_t n = 0;
        for (left = 0; n < t.len && naive_hex(t.at[n]) && left >> 59 == 0; n++)
            left = left * 16 + (uint64_t)(t.at[n] <= '9' ? t.at[n] - '0' : (t.at[n] | 32) - 'a' + 10);
        size_t blank = n;
        while (blank < t.len && (t.at[blank] == ' ' || t.at[blank] == '\t'))
            blank++;
        r.bad |= t.len > 64 || n == 0 || (n < t.len && (blank == t.len || t.at[blank] != ';'));
        for (size_t i = 0; i < t.len; i++)
            r.bad |= ((unsigned char)t.at[i] < 0x20 && t.at[i] != '\t') || t.at[i] == 0x7f;
        if (r.bad || r.short_of)
            break;
        for (uint64_t i = 0; i < left; i++) {
            char c = naive_next(&r);
            if (r.short_of)
                break;
            seen.hash = hashed(seen.hash, &c, 1);
            seen.body++;
        }
        if (left > 0 && !r.short_of && naive_line(&r).len > 0)
            r.bad = true;
        if (r.bad || r.short_of)
            break;
    }
    for (size_t all = 0; !r.bad && !r.short_of;) {
        struct naive_text t = naive_line(&r), name = { t.at, 0 };
        if (t.len == 0 && !r.bad && !r.short_of)
            break;
        while (name.len < t.len && naive_token_char(t.at[name.len]))
            name.len++;
        for (size_t i = 0; i < t.len; i++)
            r.bad |= ((unsigned char)t.at[i] < 0x20 && t.at[i] != '\t') || t.at[i] == 0x7f;
        all += t.len + 2;
        r.bad |= name.len == 0 || name.len == t.len || t.at[name.len] != ':' || all > HTTP_CHUNK_TRAILERS_MOST;
    }
    seen.rc = r.short_of ? 0 : r.bad ? -400 : HTTP_CHUNK_END;
    seen.used = (size_t)(r.at - s);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = exactly(data, size);
    struct seen whole = feed(s, size, size), bytes = feed(s, size, 1), slow = read_slowly(s, size);
    CHECK(whole.rc == bytes.rc && whole.used == bytes.used && whole.body == bytes.body && whole.hash == bytes.hash);
    /* Ours refuses a bad byte at once, the slow one the line that it stands in. */
    CHECK(whole.rc == slow.rc || (whole.rc == -400 && slow.rc == 0));
    CHECK(whole.rc < 0 || (whole.body == slow.body && whole.hash == slow.hash && whole.used == slow.used));
    free(s);
    return 0;
}
