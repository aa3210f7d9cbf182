/* SPDX-License-Identifier: MIT */
/* The values of a JSON text, written again without spaces, are its tokens put together; and a string whose escapes were
 * taken out and put in again says the same. */
#include "fuzz.h"
#include "base/json.h"
#include "base/jsonread.h"
#include "base/jsonwalk.h"

static void join(void *arg, const struct json_token *t)
{
    buf_put(arg, t->text, t->len);
}

static void check_string(struct json_slice s)
{
    char *bytes = malloc(s.len), *again;
    struct buf b;
    struct json_slice other;
    long n = json_unquote(bytes, s);
    CHECK(n < (long)s.len);
    if (n >= 0) {
        buf_init(&b, NULL, 0);
        json_put_string(&b, bytes, (size_t)n);
        CHECK(json_check(b.at, b.len, 0, &other));
        again = malloc(b.len);
        CHECK(json_unquote(again, other) == n && memcmp(bytes, again, (size_t)n) == 0);
        free(again);
        buf_fini(&b);
    }
    free(bytes);
}

static void write_again(struct buf *b, struct json_slice value)
{
    struct json_slice name, inner;
    char kind = json_kind_of(value);
    double number;
    bool first = true;
    CHECK(kind != '0' || value.len > 63 || json_number(value, &number) || memchr(value.text, 'e', value.len) ||
          memchr(value.text, 'E', value.len));
    if (kind == '"')
        check_string(value);
    if (kind != '{' && kind != '[') {
        buf_put(b, value.text, value.len);
        return;
    }
    buf_put(b, &kind, 1);
    for (struct json_each e = json_each(value); json_next(&e, &name, &inner); first = false) {
        buf_puts(b, first ? "" : ",");
        buf_put(b, name.text, name.len);
        buf_puts(b, kind == '{' ? ":" : "");
        write_again(b, inner);
    }
    buf_puts(b, kind == '{' ? "}" : "]");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = exactly(data, size);
    struct json_slice root;
    struct buf walked, read;
    if (json_check(text, size, 32, &root)) {
        buf_init(&walked, NULL, 0);
        buf_init(&read, NULL, 0);
        CHECK(json_walk(text, size, join, &walked));
        write_again(&read, root);
        CHECK(walked.len == read.len && memcmp(walked.at, read.at, read.len) == 0);
        buf_fini(&walked);
        buf_fini(&read);
    }
    free(text);
    return 0;
}
