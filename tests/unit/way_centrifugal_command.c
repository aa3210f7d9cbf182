/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "test.h"
#include "wire/centrifugal_command.h"

/* "id method body;" of each command, "!" where one is none. From exactly sized memory. */
static const char *commands(const char *text)
{
    static char out[4096];
    size_t len = strlen(text), at = 0;
    char *copy = mem_dup(text, len > 0 ? len : 1);
    struct json_slice lines = { copy, len };
    struct centrifugal_command c;
    int rc;
    out[0] = 0;
    while ((rc = centrifugal_next(&lines, &c)) == 1)
        at += (size_t)snprintf(out + at, sizeof(out) - at, "%u %s %.*s;", c.id, centrifugal_method_name(c.method),
                               (int)c.body.len, c.body.text ? c.body.text : "");
    if (rc < 0)
        snprintf(out + at, sizeof(out) - at, "!");
    mem_free(copy);
    return out;
}

TEST(centrifugal_command, comes_one_a_line)
{
    assert_string_equal(commands(""), "");
    assert_string_equal(commands("\n\r\n"), "");
    assert_string_equal(commands("{}"), "0 pong ;");
    assert_string_equal(commands("{\"id\":1,\"connect\":{}}"), "1 connect {};");
    assert_string_equal(commands("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"ping\":{}}\n\n{}\n"),
                        "1 connect {};2 ping {};0 pong ;");
    assert_string_equal(commands(" {\"ping\" : {\"a\":[1]} , \"id\":7}\r\n"), "7 ping {\"a\":[1]};");
    assert_string_equal(commands("{\"send\":{\"data\":1}}"), "0 send {\"data\":1};");
    assert_string_equal(commands("{\"id\":1,\"sub\\u005frefresh\":{},\"new\":[]}"), "1 sub_refresh {};");
    static const char *const methods[] = { "connect",  "subscribe",      "unsubscribe", "publish",
                                           "presence", "presence_stats", "history",     "ping",
                                           "rpc",      "refresh",        "sub_refresh" };
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        char text[64], expected[64];
        snprintf(text, sizeof(text), "{\"id\":3,\"%s\":{}}", methods[i]);
        snprintf(expected, sizeof(expected), "3 %s {};", methods[i]);
        assert_string_equal(commands(text), expected);
    }
}

/* Numbers of commands: section 3 of the protocol. */
TEST(centrifugal_command, has_a_number_of_32_bits)
{
    assert_string_equal(commands("{\"id\":4294967295,\"ping\":{}}"), "4294967295 ping {};");
    static const char *const bad[] = { "4294967296", "-1", "1.0", "1e1", "\"1\"", "true", "null", "0", "[1]" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"id\":%s,\"ping\":{}}", bad[i]);
        assert_string_equal(commands(text), "!");
    }
    assert_string_equal(commands("{\"ping\":{}}"), "!");
    assert_string_equal(commands("{\"id\":1}"), "!");
}

/* HUB-14 */
TEST(centrifugal_command, is_strict)
{
    static const char *const bad[] = {
        "x",
        "[]",
        "1",
        "null",
        "{",
        "{}{}",
        "{\"id\":1,\"id\":2,\"ping\":{}}",
        "{\"id\":1,\"ping\":{},\"ping\":{}}",
        "{\"id\":1,\"ping\":{},\"rpc\":{}}",
        "{\"id\":1,\"ping\":[]}",
        "{\"id\":1,\"ping\":null}",
        "{\"id\":1,\"unknown\":{}}",
        "{\"id\":1,\n\"ping\":{}}",
        "{\"id\":1,\"ping\":{\"a\":\"\xff\"}}",
        "{\"id\":1,\"ping\":{\"a\":1e}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_string_equal(commands(bad[i]), "!");
    assert_string_equal(commands("{}\n!"), "0 pong ;!");
    for (int over = -1; over <= 1; over++) {
        char text[200] = "{\"id\":1,\"publish\":{\"data\":";
        int depth = CENTRIFUGAL_DEPTH - 2 + over;
        for (int i = 0; i < depth; i++)
            strcat(text, "[");
        for (int i = 0; i < depth; i++)
            strcat(text, "]");
        strcat(text, "}}");
        assert_int_equal(commands(text)[0] == '!', over > 0);
    }
    char *deep = mem_alloc(1 << 20);
    memset(deep, '[', 1 << 20);
    struct json_slice lines = { deep, 1 << 20 };
    struct centrifugal_command c;
    assert_int_equal(centrifugal_next(&lines, &c), -1);
    mem_free(deep);
}

static bool reads(struct centrifugal_request *r, const char *text)
{
    struct json_slice object;
    assert_true(json_check(text, strlen(text), 8, &object));
    return centrifugal_read(r, object);
}

#define EXPECT_SLICE(slice, expected)                                                                                  \
    do {                                                                                                               \
        assert_int_equal((slice).len, strlen(expected));                                                               \
        assert_memory_equal((slice).text, expected, (slice).len);                                                      \
    } while (0)

TEST(centrifugal_command, says_what_it_wants_in_place)
{
    struct centrifugal_request r;
    static const char all[] =
        "{\"channel\":\"a\\u00e9\\n\",\"token\":\"t\",\"data\": {\"x\" : 1e999} ,\"epoch\":\"\\\\e\","
        "\"offset\":18446744073709551615,\"limit\":-7,\"recover\":true,\"positioned\":false,"
        "\"recoverable\":true,\"join_leave\":true,\"reverse\":true,\"flag\":3,\"type\":1,"
        "\"since\":{\"offset\":4},\"tf\":{},\"subs\":{\"a\":{}},\"delta\":\"fossil\",\"name\":null,"
        "\"headers\":{\"x\":\"y\"},\"profile\":[]}";
    assert_true(reads(&r, all));
    EXPECT_SLICE(r.channel, "a\xc3\xa9\n");
    EXPECT_SLICE(r.token, "t");
    assert_ptr_equal(r.data.text, strstr(all, "{\"x\""));
    EXPECT_SLICE(r.data, "{\"x\" : 1e999}");
    EXPECT_SLICE(r.epoch, "\\e");
    assert_true(r.offset == UINT64_MAX && r.limit == -7 && r.flag == 3 && r.type == 1);
    assert_true(r.recover && !r.positioned && r.recoverable && r.join_leave && r.reverse);
    EXPECT_SLICE(r.since, "{\"offset\":4}");
    EXPECT_SLICE(r.delta, "fossil");
    EXPECT_SLICE(r.subs, "{\"a\":{}}");
    assert_int_equal(r.name.len, 0);
    centrifugal_request_fini(&r);
    assert_true(reads(&r, "{\"data\":null}"));
    EXPECT_SLICE(r.data, "null");
    centrifugal_request_fini(&r);
    assert_true(reads(&r, "{}"));
    assert_null(r.data.text);
    centrifugal_request_fini(&r);
}

/* HUB-14 */
TEST(centrifugal_command, wants_nothing_of_a_wrong_type)
{
    static const char *const bad[] = {
        "{\"channel\":1}",
        "{\"channel\":[\"a\"]}",
        "{\"token\":true}",
        "{\"offset\":-1}",
        "{\"offset\":1.5}",
        "{\"offset\":18446744073709551616}",
        "{\"offset\":\"1\"}",
        "{\"limit\":9223372036854775808}",
        "{\"limit\":1e3}",
        "{\"recover\":1}",
        "{\"recover\":\"true\"}",
        "{\"since\":[]}",
        "{\"subs\":[]}",
        "{\"tf\":1}",
        "{\"channel\":\"\\ud800\"}",
        "{\"epoch\":\"\\udc00\"}",
        "{\"channel\":\"a\",\"channel\":\"a\"}",
        "{\"flag\":-0.0}",
    };
    struct centrifugal_request r;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_false(reads(&r, bad[i]));
        centrifugal_request_fini(&r);
    }
    mem_fail(0, false);
    assert_false(reads(&r, "{\"channel\":\"\\n\"}"));
    mem_fail_end();
    centrifugal_request_fini(&r);
}
