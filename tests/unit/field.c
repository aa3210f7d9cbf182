/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/field.h"

static struct http_text text(const char *s)
{
    return (struct http_text){ s, strlen(s) };
}

/* The elements between bars, then how it ended. */
static const char *list_trace(const char *s)
{
    static char out[256];
    struct http_text rest = text(s), element;
    size_t n = 0;
    int rc;
    while ((rc = http_list_next(&rest, &element)) > 0)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "|%.*s", (int)element.len, element.at);
    snprintf(out + n, sizeof(out) - n, "|%d", rc);
    return out;
}

TEST(field, a_list_is_walked)
{
    static const char *const rows[][2] = {
        { "", "||0" },
        { "a", "|a|0" },
        { " a , b\t,\tc ", "|a|b|c|0" },
        { "a,", "|a||0" },
        { ",a", "||a|0" },
        { ",,", "||||0" },
        { "a;b=\"x,y\", c", "|a;b=\"x,y\"|c|0" },
        { "a;b=\"x\\\",y\", c", "|a;b=\"x\\\",y\"|c|0" },
        { "a;b=\"x, c", "|-1" },
        { "a, \"\\", "|a|-1" },
        { "a, \"b\\\"", "|a|-1" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(list_trace(rows[i][0]), rows[i][1]);
}

static const char *params_trace(const char *s, size_t cap)
{
    static char out[256];
    char value[16];
    struct http_text rest = text(s), name;
    bool has_value;
    int rc = http_param_first(&rest, &name);
    size_t n = (size_t)snprintf(out, sizeof(out), "%.*s", rc > 0 ? (int)name.len : 0, name.at);
    while (rc > 0 && (rc = http_param_next(&rest, &name, value, cap, &has_value)) > 0)
        n += (size_t)snprintf(out + n, sizeof(out) - n, ";%.*s%s%s", (int)name.len, name.at, has_value ? "=" : "",
                              value);
    snprintf(out + n, sizeof(out) - n, " %d", rc);
    return out;
}

TEST(field, rfc_18_and_19_parameters_are_taken_apart)
{
    static const char *const rows[][2] = {
        { "", " 0" },
        { "x", "x 0" },
        { " x ; a ; b = 1 ", "x;a;b=1 0" },
        { "x;a=\"10\"", "x;a=10 0" },
        { "x;a=\"1\\0\";b", "x;a=10;b 0" },
        { "x;a=\"1 0\"", "x -1" },
        { "x;a=\"\"", "x -1" },
        { "x;a=\"1", "x -1" },
        { "x;a=\"1\\\"", "x -1" },
        { "x;a=", "x -1" },
        { "x;=1", "x -1" },
        { "x;", "x -1" },
        { "x;;a", "x -1" },
        { "x;a b", "x -1" },
        { "x y", " -1" },
        { ";a", " -1" },
        { "x;a=1=2", "x -1" },
        { "x;a=\"1\"2", "x -1" },
        { "x;__proto__=constructor", "x;__proto__=constructor 0" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(params_trace(rows[i][0], 16), rows[i][1]);
}

TEST(field, a_parameter_that_does_not_fit_is_refused)
{
    assert_string_equal(params_trace("x;a=123", 4), "x;a=123 0");
    assert_string_equal(params_trace("x;a=1234", 4), "x -1");
    assert_string_equal(params_trace("x;a=\"123\"", 4), "x;a=123 0");
    assert_string_equal(params_trace("x;a=\"1234\"", 4), "x -1");
}

TEST(field, each_byte_is_a_token_or_is_not)
{
    static const char tokens[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int c = 0; c < 256; c++) {
        char s = (char)c;
        assert_int_equal(http_is_token(&s, 1), c != 0 && strchr(tokens, c) != NULL);
    }
    assert_false(http_is_token("", 0));
    assert_false(http_is_token("a b", 3));
}

TEST(field, case_is_ignored_for_letters_only)
{
    assert_true(http_text_is(text("WebSocket"), "websocket"));
    assert_false(http_text_is(text("websockets"), "websocket"));
    assert_false(http_text_is(text("@"), "`"));
    assert_false(http_text_is(text("\x0d"), "-"));
}

/* UPG-7: the longest values a head can carry, in shapes that made others quadratic. The steps of a list are
 * bounded by its length, because *rest only ever moves forward. */
TEST(field, upg_7_hostile_lists_move_forward)
{
    static char s[16384];
    static const char fill[] = { ',', ' ', '"', '\\', ';', '=' };
    for (size_t f = 0; f < sizeof(fill); f++) {
        memset(s, fill[f], sizeof(s));
        struct http_text rest = { s, sizeof(s) }, element;
        size_t steps = 0, left = rest.len;
        while (http_list_next(&rest, &element) > 0 && rest.at != NULL) {
            assert_true(rest.len < left);
            left = rest.len;
            steps++;
        }
        assert_true(steps <= sizeof(s));
    }
}
