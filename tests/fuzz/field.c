/* SPDX-License-Identifier: MIT */
/* Lists and parameters are those that a slow reading finds; a value is unescaped into its buffer and no further. */
#include "fuzz.h"
#include "naive_head.h"
#include "http/field.h"

static void take_apart(struct http_text part)
{
    size_t cap = 1 + part.len % 15;
    char *value = malloc(cap);
    const char *end = part.at + part.len;
    struct http_text name;
    bool has_value;
    int rc = http_param_first(&part, &name);
    CHECK(value != NULL && (rc == 1) == (rc == 1 && http_is_token(name.at, name.len)));
    while (rc == 1 && (rc = http_param_next(&part, &name, value, cap, &has_value)) == 1) {
        CHECK(http_is_token(name.at, name.len) && name.at + name.len <= end && part.at + part.len == end);
        CHECK(strlen(value) < cap && has_value == http_is_token(value, strlen(value)));
    }
    CHECK(rc < 0 || part.len == 0);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = exactly(data, size);
    struct http_text rest = { s, size }, element;
    size_t at = 0;
    int rc;
    while ((rc = http_list_next(&rest, &element)) == 1) {
        long len = naive_element(s + at, size - at);
        struct http_text due = http_trim(s + at, len < 0 ? 0 : (size_t)len);
        CHECK(len >= 0 && element.at == due.at && element.len == due.len);
        CHECK(element.len == 0 || strchr(" \t", element.at[0]) == NULL || element.at[0] == 0);
        take_apart(element);
        at += (size_t)len + 1;
    }
    CHECK(rc == 0 ? at == size + 1 : naive_element(s + at, size - at) < 0);
    free(s);
    return 0;
}
