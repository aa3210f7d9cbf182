/* SPDX-License-Identifier: MIT */
#include "base/jsonread.h"
#include "test.h"

static struct json_slice root;

static bool check(const char *text, unsigned depth)
{
    return json_check(text, strlen(text), depth, &root);
}

/* The values of an array or an object, one after the other. */
static const char *values(const char *text)
{
    static char seen[500];
    struct json_slice name, value;
    assert_true(check(text, 9));
    seen[0] = 0;
    for (struct json_each e = json_each(root); json_next(&e, &name, &value);)
        snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s%.*s=%c%.*s", seen[0] ? " " : "", (int)name.len,
                 name.text, json_kind_of(value), (int)value.len, value.text);
    return seen;
}

TEST(jsonread, gives_values_as_they_were_written)
{
    assert_string_equal(values(" {\"a\" : 1.50 ,\"b\":[1, {\"]\":2}] , \"\\u0061\":\"x\\\"}\" } "),
                        "\"a\"=01.50 \"b\"=[[1, {\"]\":2}] \"\\u0061\"=\"\"x\\\"}\"");
    assert_string_equal(values("[true,false\t,null\n,-1\r,\"\\\\\",{},[ ],9]"),
                        "=ttrue =ffalse =nnull =0-1 =\"\"\\\\\" ={{} =[[ ] =09");
    assert_string_equal(values("[1]"), "=01");
    assert_string_equal(values("{\"a\":2}"), "\"a\"=02");
    assert_string_equal(values("[]"), "");
    assert_string_equal(values("{ }"), "");
    assert_string_equal(values("\"[1]\""), "");
    assert_string_equal(values("12"), "");
}

TEST(jsonread, has_no_value_behind_the_last)
{
    struct json_slice name, value;
    assert_true(check("[1]", 1));
    struct json_each e = json_each(root);
    assert_true(json_next(&e, &name, &value));
    assert_false(json_next(&e, &name, &value));
    assert_false(json_next(&e, &name, &value));
}

TEST(jsonread, takes_the_spaces_around_a_text_off)
{
    assert_true(check("\t\n\r 1 \t\n\r", 0));
    assert_int_equal(root.len, 1);
    assert_int_equal(*root.text, '1');
}

/* HUB-14: one less, as deep as may be, one more. */
TEST(jsonread, is_as_deep_as_it_may_be)
{
    assert_true(check("[{\"a\":1},[2]]", 3));
    assert_true(check("[{\"a\":1},[2]]", 2));
    assert_false(check("[{\"a\":1},[2]]", 1));
    assert_false(check("[[2],1]", 1));
    assert_true(check("1", 0));
    assert_false(check("[]", 0));
    assert_false(check("[1", 9));
    assert_false(check("", 9));
}

static const char *unquoted(const char *text)
{
    static char bytes[100];
    assert_true(check(text, 0));
    char *out = malloc(root.len); /* exactly, so that a byte too many is seen */
    long n = json_unquote(out, root);
    if (n >= 0)
        memcpy(bytes, out, (size_t)n);
    bytes[n >= 0 ? n : 0] = 0;
    free(out);
    return n >= 0 ? bytes : NULL;
}

TEST(jsonread, takes_escapes_out)
{
    assert_string_equal(unquoted("\"\""), "");
    assert_string_equal(unquoted("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), "a\"\\/\b\f\n\r\tz");
    assert_string_equal(unquoted("\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\""), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_string_equal(unquoted("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\""),
                        "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf");
    assert_string_equal(unquoted("\"\\ud800\\udc00\\udbff\\udfff\""), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    assert_string_equal(unquoted("\"caf\xc3\xa9\""), "caf\xc3\xa9");
    assert_string_equal(unquoted("\"\\ue000\\ud7ff\""), "\xee\x80\x80\xed\x9f\xbf");
}

/* HUB-14 */
TEST(jsonread, knows_half_a_pair)
{
    static const char *const halves[] = {
        "\"\\ud800\"",    "\"\\udfff\"",  "\"\\udc00\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\ud800\\n\"", "\"\\ud800a\"", "\"\\ud800\\ue000\"", "\"a\\udc00\\u0041\""
    };
    for (size_t i = 0; i < sizeof(halves) / sizeof(*halves); i++)
        assert_null(unquoted(halves[i]));
}

TEST(jsonread, gives_a_zero_byte)
{
    char out[10];
    assert_true(check("\"a\\u0000b\"", 0));
    assert_int_equal(json_unquote(out, root), 3);
    assert_memory_equal(out, "a\0b", 3);
    assert_false(json_is(root, "a"));
}

TEST(jsonread, knows_words)
{
    assert_true(check("\"exp\"", 0));
    assert_true(json_is(root, "exp"));
    assert_false(json_is(root, "ex"));
    assert_false(json_is(root, "expo"));
    assert_false(json_is(root, "eXp"));
    assert_true(check("\"\\u0065\\u0078\\u0070\"", 0));
    assert_true(json_is(root, "exp"));
    assert_false(json_is(root, "ex"));
    assert_true(check("\"\\ud800\"", 0));
    assert_false(json_is(root, "exp"));
}

TEST(jsonread, knows_numbers)
{
    char long_one[66] = "0.";
    double n = 0;
    assert_true(check("-12.5e1", 0));
    assert_true(json_number(root, &n));
    assert_true(n == -125);
    assert_true(check("1e999999", 0));
    assert_false(json_number(root, &n));
    memset(long_one + 2, '1', 61);
    assert_true(check(long_one, 0));
    assert_true(json_number(root, &n));
    long_one[63] = '1';
    assert_true(check(long_one, 0));
    assert_false(json_number(root, &n));
}
