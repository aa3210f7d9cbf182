/* SPDX-License-Identifier: MIT */
#include "hub/names.h"
#include "base/mem.h"
#include "test.h"
#include <duet/error.h>

static struct hub_options spaces[3];
static struct hub_names *names;
static struct hub_name name;
static const struct hub_options *options;

static void begin(uint32_t name_max)
{
    char why[HUB_NAMES_WHY];
    for (int i = 0; i < 3; i++)
        hub_options_default(&spaces[i]);
    strcpy(spaces[1].name, "chat");
    strcpy(spaces[2].name, "room");
    spaces[2].channel_regex = "^[a-z]+(#.*)?$";
    assert_int_equal(hub_names_new(&names, spaces, 3, name_max, why), 0);
}

/* From exactly sized memory, so that a read beyond its end is seen. */
static int judge_bytes(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    int rc = hub_name_judge(names, copy, len, &name, &options);
    free(copy);
    return rc;
}

static int judge(const char *text)
{
    return hub_name_judge(names, text, strlen(text), &name, &options);
}

/* HUB-5, STO-11 */
TEST(names, are_judged)
{
    static const struct {
        const char *text;
        int error;
        int space; /* whose options */
    } table[] = {
        { "news", 0, 0 },
        { "../../etc/passwd", 0, 0 },
        { "a b", 0, 0 },
        { "caf\xc3\xa9", 0, 0 },
        { "$news", 0, 0 },
        { "chat:1", 0, 1 },
        { "$chat:1", 0, 1 },
        { "chat:1:2", 0, 1 },
        { "chat#ann:1", HUB_ERROR_UNKNOWN_CHANNEL, 0 },
        { "room:abc", 0, 2 },
        { "room:abc#ann", 0, 2 },
        { "room:ab1", HUB_ERROR_BAD_REQUEST, 0 },
        { "$room:ABC", HUB_ERROR_BAD_REQUEST, 0 },
        { "Chat:1", HUB_ERROR_UNKNOWN_CHANNEL, 0 },
        { "cha:1", HUB_ERROR_UNKNOWN_CHANNEL, 0 },
        { "chats:1", HUB_ERROR_UNKNOWN_CHANNEL, 0 },
        { ":1", HUB_ERROR_UNKNOWN_CHANNEL, 0 },
        { "$:1", HUB_ERROR_UNKNOWN_CHANNEL, 0 },
        { "", HUB_ERROR_BAD_REQUEST, 0 },
        { "$", HUB_ERROR_BAD_REQUEST, 0 },
        { "chat:", HUB_ERROR_BAD_REQUEST, 0 },
        { "$chat:", HUB_ERROR_BAD_REQUEST, 0 },
        { ":", HUB_ERROR_BAD_REQUEST, 0 },
        { "a\n", HUB_ERROR_BAD_REQUEST, 0 },
        { "a\x1f", HUB_ERROR_BAD_REQUEST, 0 },
        { "a\x7f", HUB_ERROR_BAD_REQUEST, 0 },
        { "a\xc2\x9b", HUB_ERROR_BAD_REQUEST, 0 }, /* CSI */
        { "a\xc2\xa0", 0, 0 },
        { "a\xff", HUB_ERROR_BAD_REQUEST, 0 },
        { "a\xc3", HUB_ERROR_BAD_REQUEST, 0 },
        { "a\xed\xa0\x80", HUB_ERROR_BAD_REQUEST, 0 }, /* a surrogate */
        { "a\xc0\xaf", HUB_ERROR_BAD_REQUEST, 0 },     /* "/", too long */
    };
    begin(HUB_NAME_MOST);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        int rc = judge_bytes(table[i].text, strlen(table[i].text));
        if (rc != table[i].error)
            fail_msg("`%s`: %d", table[i].text, rc);
        if (rc == HUB_OK)
            assert_ptr_equal(options, &spaces[table[i].space]);
    }
    assert_int_equal(judge_bytes("a\0b", 3), HUB_ERROR_BAD_REQUEST);
    hub_names_free(names);
}

/* HUB-5: at the limit, and one more; a configured limit is never above what there is room for. */
TEST(names, have_a_longest)
{
    static const uint32_t limits[] = { 254, 255, 256 };
    char text[300];
    memset(text, 'a', sizeof(text));
    for (int i = 0; i < 3; i++) {
        size_t most = limits[i] < 255 ? limits[i] : 255;
        begin(limits[i]);
        assert_int_equal(judge_bytes(text, most - 1), HUB_OK);
        assert_int_equal(judge_bytes(text, most), HUB_OK);
        assert_int_equal(judge_bytes(text, most + 1), HUB_ERROR_BAD_REQUEST);
        hub_names_free(names);
    }
    begin(HUB_NAME_MOST);
    memcpy(text, "room:", 5);
    assert_int_equal(judge_bytes(text, 255), HUB_OK);
    hub_names_free(names);
}

TEST(names, say_what_they_are_of)
{
    begin(HUB_NAME_MOST);
    assert_int_equal(judge("$chat:a#b:c#ann,,bob"), HUB_OK);
    assert_true(name.is_private);
    assert_memory_equal(name.space, "chat", name.space_len);
    assert_int_equal(name.space_len, 4);
    assert_string_equal(name.rest, "a#b:c#ann,,bob");
    assert_int_equal(name.rest_len, 14);
    assert_string_equal(name.users, "ann,,bob");
    assert_int_equal(name.users_len, 8);
    assert_int_equal(judge("a"), HUB_OK);
    assert_false(name.is_private);
    assert_false(name.has_space);
    assert_null(name.users);
    hub_names_free(names);
}

TEST(names, list_their_users)
{
    begin(HUB_NAME_MOST);
    assert_int_equal(judge("chat:x#ann,bob,,7"), HUB_OK);
    assert_true(hub_name_lists(&name, "ann", 3));
    assert_true(hub_name_lists(&name, "bob", 3));
    assert_true(hub_name_lists(&name, "7", 1));
    assert_false(hub_name_lists(&name, "an", 2));
    assert_false(hub_name_lists(&name, "anna", 4));
    assert_false(hub_name_lists(&name, "Ann", 3));
    assert_false(hub_name_lists(&name, "ann,bob", 7));
    assert_false(hub_name_lists(&name, "", 0)); /* nobody is no user, though nothing is between two commas */
    assert_int_equal(judge("chat:x#"), HUB_OK);
    assert_false(hub_name_lists(&name, "", 0));
    assert_false(hub_name_lists(&name, "ann", 3));
    assert_int_equal(judge("chat:x"), HUB_OK);
    assert_false(hub_name_lists(&name, "x", 1));
    hub_names_free(names);
}

TEST(names, of_namespaces_are_judged)
{
    char text[66];
    memset(text, 'a', sizeof(text));
    assert_false(hub_namespace_name(text, 1));
    assert_true(hub_namespace_name(text, 2));
    assert_true(hub_namespace_name(text, 3));
    assert_true(hub_namespace_name(text, 63));
    assert_true(hub_namespace_name(text, 64));
    assert_false(hub_namespace_name(text, 65));
    assert_true(hub_namespace_name("aZ09-_", 6));
    static const char *const wrong[] = { "a.", "a:", "a/", "a@", "a[", "a`", "a{", "a ", "a*", "\xc3\xa9" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(hub_namespace_name(wrong[i], strlen(wrong[i])));
}

static void refused(const char *sentence)
{
    char why[HUB_NAMES_WHY];
    assert_int_equal(hub_names_new(&names, spaces, 3, 255, why), DUET_ERR_INVALID);
    if (strstr(why, sentence) == NULL)
        fail_msg("%s", why);
}

TEST(names, that_are_wrong_are_told)
{
    begin(HUB_NAME_MOST);
    hub_names_free(names);
    spaces[2].channel_regex = "(";
    refused("namespace `room`: ");
    spaces[2].channel_regex = NULL;
    strcpy(spaces[2].name, "chat");
    refused("namespace `chat`: is there twice");
    strcpy(spaces[2].name, "c");
    refused("namespace `c`: a name is 2 to 64");
    hub_names_free(NULL);
}

TEST(names, live_without_memory)
{
    char why[HUB_NAMES_WHY];
    begin(HUB_NAME_MOST);
    hub_names_free(names);
    for (unsigned long n = 0;; n++) {
        mem_fail(n, false);
        int rc = hub_names_new(&names, spaces, 3, 255, why);
        if (mem_fail_end() <= n) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, DUET_ERR_NOMEM);
        assert_string_equal(why, "out of memory");
    }
    hub_names_free(names);
}
