/* SPDX-License-Identifier: MIT */
#include "base/jsonwalk.h"
#include "test.h"

static char seen[4096];

static void note(void *arg, const struct json_token *t)
{
    static const char kinds[] = "{},:nsdw";
    size_t len = strlen(seen);
    (void)arg;
    snprintf(seen + len, sizeof(seen) - len, "%s%c%u%s%.*s", len ? " " : "", kinds[t->kind], t->depth,
             t->begins ? "!" : "=", (int)t->len, t->text);
}

/* From exactly sized memory, so that a read beyond its end is seen. */
static bool walk(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    seen[0] = 0;
    bool good = json_walk(copy, len, note, NULL);
    assert_int_equal(json_walk(copy, len, NULL, NULL), good);
    free(copy);
    return good;
}

static void expect(const char *text, const char *tokens)
{
    assert_true(walk(text, strlen(text)));
    assert_string_equal(seen, tokens);
}

TEST(jsonwalk, tells_tokens_as_they_were_written)
{
    expect("1", "d0=1");
    expect(" \t\r\n\"a\\u00e4\\n\" ", "s0=\"a\\u00e4\\n\"");
    expect("[1.10,-0e+5 , 123456789012345678901234567890]",
           "{0=[ d1!1.10 ,1=, d1!-0e+5 ,1=, d1!123456789012345678901234567890 }0!]");
    expect("[1e5,2E-05,3.0e+9]", "{0=[ d1!1e5 ,1=, d1!2E-05 ,1=, d1!3.0e+9 }0!]");
    expect("\"\\u00AF\"", "s0=\"\\u00AF\"");
    expect("{\"a\":{},\"a\":[]}", "{0={ n1!\"a\" :1=: {1={ }1=} ,1=, n1!\"a\" :1=: {1=[ }1=] }0!}");
    expect("[[true],null]", "{0=[ {1![ w2!true }1!] ,1=, w1!null }0!]");
}

TEST(jsonwalk, takes_nothing_else)
{
    static const char *const wrong[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "1 2",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "[1}",
        "{\"a\":1]",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u1g34\"",
        "\"\\u123",
        "\"\n\"",
        "\"\\",
        "tru",
        "truee",
        "nul",
        "True",
        "-",
        "01",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "0x10",
        "NaN",
        "'a'",
        "[1],",
        "// c\n1",
        "\"\xff\"",
        "\xef\xbb\xbf[]",
        "a",
        ",",
        ":",
        "[\"a\":1]",
        "1]",
        "1}",
        "1:",
        "{\"a",
        "{\"a\":1,\"b",
        "{\"a\":1,2:3}",
        "\"\\u12\"34\"",
        "\"\\u12G4\"",
        "1e",
        "1e,",
        "[1e+]",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (walk(wrong[i], strlen(wrong[i])))
            fail_msg("taken: %s", wrong[i]);
    assert_false(walk("1\0", 2));
    assert_false(walk("\"\\\0\"", 4));
}

TEST(jsonwalk, is_nested_as_deep_as_its_limit)
{
    char text[2 * JSON_DEPTH_MOST + 2];
    for (unsigned depth = JSON_DEPTH_MOST - 1; depth <= JSON_DEPTH_MOST + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(json_walk(text, 2 * depth, NULL, NULL), depth <= JSON_DEPTH_MOST);
    }
}
