/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "test.h"

static void expect(const char *text, size_t len, const char *json)
{
    struct buf b;
    buf_init(&b, NULL, 0);
    json_put_string(&b, text, len);
    assert_int_equal(b.len, strlen(json));
    assert_memory_equal(b.at, json, b.len);
    buf_fini(&b);
}

TEST(json, strings_are_escaped)
{
    expect("", 0, "\"\"");
    expect("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    expect("\r\n\t\0\x7f", 5, "\"\\u000d\\u000a\\u0009\\u0000\\u007f\"");
    expect("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    expect("a\xff"
           "b\xe2\x82",
           5, "\"a\\ufffdb\\ufffd\\ufffd\"");
}
