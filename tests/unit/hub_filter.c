/* SPDX-License-Identifier: MIT */
#include "hub/filter.h"
#include "base/mem.h"
#include "hub/codes.h"
#include "test.h"

static struct json_slice checked(const char *text)
{
    struct json_slice value = { text, 0 };
    if (text[0] != 0 && !json_check(text, strlen(text), 64, &value))
        fail_msg("%s", text);
    return value;
}

static int made(const char *text)
{
    struct filter *f = NULL;
    int rc = filter_new(&f, checked(text));
    filter_free(f);
    return rc;
}

static bool passes(const char *filter, const char *tags_text)
{
    struct filter *f;
    struct filter_tags tags;
    if (filter_new(&f, checked(filter)) != HUB_OK)
        fail_msg("%s", filter);
    assert_int_equal(filter_tags_read(&tags, checked(tags_text)), HUB_OK);
    bool yes = filter_passes(f, &tags);
    filter_tags_fini(&tags);
    filter_free(f);
    return yes;
}

#define LEAF(cmp, val)  "{\"key\":\"k\",\"cmp\":\"" cmp "\",\"val\":\"" val "\"}"
#define LIST(cmp, vals) "{\"key\":\"k\",\"cmp\":\"" cmp "\",\"vals\":" vals "}"
#define TAG(value)      "{\"a\":\"x\",\"k\":\"" value "\"}"

TEST(filter, compares_tags)
{
    static const struct {
        const char *filter, *tags;
        bool yes;
    } table[] = {
        { LEAF("eq", "a"), TAG("a"), true },
        { LEAF("eq", "a"), TAG("A"), false },
        { LEAF("eq", ""), TAG(""), true },
        { LEAF("eq", "\\u0061"), TAG("a"), true },
        { LEAF("eq", "a"), TAG("\\u0061"), true },
        { LEAF("eq", "a"), "{}", false },
        { LEAF("eq", "a"), "", false },
        { LEAF("eq", "b"), "{\"k\":\"a\",\"k\":\"b\"}", true },
        { LEAF("neq", "a"), TAG("a"), false },
        { LEAF("neq", "a"), TAG("b"), true },
        { LEAF("neq", "a"), "{}", true },
        { LIST("in", "[\"a\",\"b\"]"), TAG("b"), true },
        { LIST("in", "[\"a\",\"b\"]"), TAG("c"), false },
        { LIST("in", "[\"a\"]"), "{}", false },
        { LIST("in", "[]"), TAG("c"), false },
        { LIST("nin", "[\"a\"]"), TAG("a"), false },
        { LIST("nin", "[\"a\"]"), TAG("b"), true },
        { LIST("nin", "[\"a\"]"), "", true },
        { "{\"key\":\"k\",\"cmp\":\"ex\"}", TAG(""), true },
        { "{\"key\":\"k\",\"cmp\":\"ex\"}", "{\"K\":\"\"}", false },
        { "{\"key\":\"k\",\"cmp\":\"nex\"}", TAG(""), false },
        { "{\"key\":\"k\",\"cmp\":\"nex\"}", "{}", true },
        { LEAF("sw", "ab"), TAG("abc"), true },
        { LEAF("sw", "ab"), TAG("a"), false },
        { LEAF("sw", ""), TAG(""), true },
        { LEAF("ew", "bc"), TAG("abc"), true },
        { LEAF("ew", "bc"), TAG("bcd"), false },
        { LEAF("ew", "bc"), TAG("c"), false },
        { LEAF("ct", "b"), TAG("abc"), true },
        { LEAF("ct", "d"), TAG("abc"), false },
        { LEAF("ct", "d"), "{}", false },
        { LEAF("lt", "9.5"), TAG("9.25"), true },
        { LEAF("lt", "10"), TAG("9"), true },
        { LEAF("lt", "9"), TAG("9"), false },
        { LEAF("lte", "9"), TAG("9.0"), true },
        { LEAF("lte", "9"), TAG("9.1"), false },
        { LEAF("gt", "-1"), TAG("-0.5"), true },
        { LEAF("gt", "9"), TAG("9"), false },
        { LEAF("gte", "9"), TAG("9"), true },
        { LEAF("gte", "9"), TAG("8.99"), false },
        { LEAF("gt", "0"), TAG("many"), false },
        { LEAF("gt", "0"), TAG("0x10"), false },
        { LEAF("gt", "0"), TAG("1e3"), false },
        { LEAF("gt", "0"), TAG("inf"), false },
        { LEAF("gt", "0"), TAG(" 1"), false },
        { LEAF("gt", "0"), TAG(""), false },
        { LEAF("gt", "0"), "{}", false },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (passes(table[i].filter, table[i].tags) != table[i].yes)
            fail_msg("%s of %s", table[i].filter, table[i].tags);
}

#define YES           "{\"key\":\"k\",\"cmp\":\"ex\"}"
#define NO            "{\"op\":\"\",\"key\":\"k\",\"cmp\":\"nex\"}"
#define OP(op, nodes) "{\"op\":\"" op "\",\"nodes\":[" nodes "]}"

TEST(filter, joins_comparisons)
{
    assert_true(passes(OP("and", YES "," YES), TAG("")));
    assert_false(passes(OP("and", YES "," NO), TAG("")));
    assert_false(passes(OP("and", NO "," YES), TAG("")));
    assert_true(passes(OP("or", NO "," YES), TAG("")));
    assert_true(passes(OP("or", YES "," NO), TAG("")));
    assert_false(passes(OP("or", NO "," NO), TAG("")));
    assert_true(passes(OP("not", NO), TAG("")));
    assert_false(passes(OP("not", YES), TAG("")));
    assert_true(passes(OP("and", OP("or", NO "," OP("not", NO)) "," YES "," OP("or", YES "," NO)), TAG("")));
    assert_false(passes(OP("and", YES "," OP("or", NO "," OP("and", YES "," NO)) "," YES), TAG("")));
    assert_true(passes(OP("or", OP("and", YES "," NO) "," YES), TAG("")));
}

TEST(filter, that_is_none_is_a_bad_request)
{
    static const char *const wrong[] = {
        "1",
        "[]",
        "{}",
        "{\"key\":\"k\"}",
        "{\"cmp\":\"ex\"}",
        "{\"key\":\"\",\"cmp\":\"ex\"}",
        "{\"key\":1,\"cmp\":\"ex\"}",
        "{\"key\":\"\\ud800\",\"cmp\":\"ex\"}",
        "{\"key\":\"k\",\"cmp\":\"like\"}",
        "{\"key\":\"k\",\"cmp\":1}",
        "{\"key\":\"k\",\"cmp\":\"ex\",\"cmp\":\"ex\"}",
        "{\"key\":\"k\",\"cmp\":\"eq\"}",
        "{\"key\":\"k\",\"cmp\":\"eq\",\"val\":null}",
        "{\"key\":\"k\",\"cmp\":\"eq\",\"val\":5}",
        "{\"key\":\"k\",\"cmp\":\"in\",\"val\":\"a\"}",
        "{\"key\":\"k\",\"cmp\":\"in\",\"vals\":\"a\"}",
        "{\"key\":\"k\",\"cmp\":\"in\",\"vals\":[5]}",
        LEAF("lt", "many"),
        LEAF("lt", ""),
        LEAF("lt", "-"),
        LEAF("lt", "."),
        LEAF("lt", "1.2.3"),
        LEAF("lt", "1-"),
        LEAF("lt", "0000000000000000000000000000000000000000000000000000000000000001"),
        "{\"op\":\"xor\",\"nodes\":[" YES "]}",
        "{\"op\":1,\"nodes\":[" YES "]}",
        "{\"op\":\"and\"}",
        "{\"op\":\"and\",\"nodes\":{}}",
        OP("and", ""),
        OP("not", ""),
        OP("not", YES "," YES),
        OP("and", YES ",{}"),
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (made(wrong[i]) != HUB_ERROR_BAD_REQUEST)
            fail_msg("%s", wrong[i]);
    assert_int_equal(made("{\"op\":null,\"key\":\"k\",\"cmp\":\"ex\",\"nodes\":null,\"more\":1}"), HUB_OK);
}

/* Each limit, one less and one more. */
TEST(filter, has_limits)
{
    static char text[20000];
    for (int depth = FILTER_DEPTH_MOST - 1; depth <= FILTER_DEPTH_MOST + 1; depth++) {
        text[0] = 0;
        for (int i = 1; i < depth; i++)
            strcat(text, "{\"op\":\"not\",\"nodes\":[");
        strcat(text, YES);
        for (int i = 1; i < depth; i++)
            strcat(text, "]}");
        assert_int_equal(made(text), depth <= FILTER_DEPTH_MOST ? HUB_OK : HUB_ERROR_BAD_REQUEST);
    }
    for (int nodes = FILTER_NODES_MOST - 1; nodes <= FILTER_NODES_MOST + 1; nodes++) {
        strcpy(text, "{\"op\":\"or\",\"nodes\":[");
        for (int i = 1; i < nodes; i++)
            strcat(text, i > 1 ? "," YES : YES);
        strcat(text, "]}");
        assert_int_equal(made(text), nodes <= FILTER_NODES_MOST ? HUB_OK : HUB_ERROR_BAD_REQUEST);
    }
    for (int values = FILTER_VALUES_MOST - 1; values <= FILTER_VALUES_MOST + 1; values++) {
        strcpy(text, "{\"key\":\"k\",\"cmp\":\"in\",\"vals\":[");
        for (int i = 0; i < values; i++)
            strcat(text, i > 0 ? ",\"a\"" : "\"a\"");
        strcat(text, "]}");
        assert_int_equal(made(text), values <= FILTER_VALUES_MOST ? HUB_OK : HUB_ERROR_BAD_REQUEST);
    }
    for (int len = FILTER_BYTES_MOST - 1; len <= FILTER_BYTES_MOST + 1; len++) {
        snprintf(text, sizeof(text), "{\"key\":\"%*s\",\"cmp\":\"ex\"}",
                 len - (int)strlen("{\"key\":\"\",\"cmp\":\"ex\"}"), "");
        assert_int_equal(strlen(text), len);
        assert_int_equal(made(text), len <= FILTER_BYTES_MOST ? HUB_OK : HUB_ERROR_BAD_REQUEST);
    }
    for (int count = FILTER_TAGS_MOST - 1; count <= FILTER_TAGS_MOST + 1; count++) {
        struct filter_tags tags;
        strcpy(text, "{");
        for (int i = 0; i < count; i++)
            sprintf(text + strlen(text), "%s\"%d\":\"v\"", i > 0 ? "," : "", i);
        strcat(text, "}");
        assert_int_equal(filter_tags_read(&tags, checked(text)),
                         count <= FILTER_TAGS_MOST ? HUB_OK : HUB_ERROR_BAD_REQUEST);
        filter_tags_fini(&tags);
    }
}

TEST(filter, tags_are_strings)
{
    static const char *const wrong[] = {
        "[]", "\"a\"", "{\"a\":1}", "{\"a\":null}", "{\"a\":\"\\ud800\"}", "{\"\\udc00\":\"a\"}"
    };
    struct filter_tags tags;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        if (filter_tags_read(&tags, checked(wrong[i])) != HUB_ERROR_BAD_REQUEST)
            fail_msg("%s", wrong[i]);
        filter_tags_fini(&tags);
    }
}

TEST(filter, lives_without_memory)
{
    struct filter *f;
    struct filter_tags tags;
    mem_fail(0, false);
    assert_int_equal(filter_new(&f, checked(YES)), HUB_ERROR_INTERNAL);
    mem_fail_end();
    mem_fail(0, false);
    assert_int_equal(filter_tags_read(&tags, checked(TAG("a"))), HUB_ERROR_INTERNAL);
    mem_fail_end();
    filter_tags_fini(&tags);
}
