/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "hub/content.h"
#include "test.h"

static void expect(duet_type type, const char *in, size_t len, enum hub_kind kind, const char *out)
{
    struct content c;
    assert_int_equal(content_take(&c, type, in, len), 0);
    assert_int_equal(c.kind, kind);
    assert_int_equal(c.len, strlen(out));
    assert_memory_equal(c.data, out, c.len);
    content_fini(&c);
}

TEST(content, is_of_a_kind)
{
    static const struct {
        const char *in, *out;
        enum hub_kind kind;
    } rows[] = {
        { "{}", "{}", HUB_JSON },
        { "1e999999", "1e999999", HUB_JSON }, /* numbers are kept as they are written (HUB-14) */
        { "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}", HUB_JSON },
        { "\"\\ud800\"", "\"\\ud800\"", HUB_JSON },
        { " [1,\r\n2]\n", " [1,2]", HUB_JSON },
        { "\"a\\nb\"", "\"a\\nb\"", HUB_JSON },
        { "hello", "hello", HUB_TEXT },
        { "a\nb", "a\nb", HUB_TEXT },
        { "", "", HUB_TEXT },
        { "{", "{", HUB_TEXT },
        { "\"a\nb\"", "\"a\nb\"", HUB_TEXT }, /* no newline may be in a string */
        { "1 2", "1 2", HUB_TEXT },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(DUET_TEXT, rows[i].in, strlen(rows[i].in), rows[i].kind, rows[i].out);
    expect(DUET_BINARY, "{}\n", 3, HUB_BINARY, "{}\n");
    expect(DUET_TEXT, "a\0b", 1, HUB_TEXT, "a");
}

/* HUB-14 */
TEST(content, nested_too_deep_is_text)
{
    char text[100];
    for (int depth = CONTENT_DEPTH_MOST - 1; depth <= CONTENT_DEPTH_MOST + 1; depth++) {
        struct content c;
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = 0;
        expect(DUET_TEXT, text, 2 * (size_t)depth, depth <= CONTENT_DEPTH_MOST ? HUB_JSON : HUB_TEXT, text);
        assert_int_equal(content_take_json(&c, text, 2 * (size_t)depth),
                         depth <= CONTENT_DEPTH_MOST ? 0 : DUET_ERR_INVALID);
    }
}

TEST(content, without_memory_is_an_error)
{
    struct content c;
    mem_fail(0, true);
    int rc = content_take(&c, DUET_TEXT, "[\n]", 3);
    mem_fail_end();
    assert_int_equal(rc, DUET_ERR_NOMEM);
    content_fini(&c);
}
