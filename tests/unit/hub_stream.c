/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "hub/stream.h"
#include "test.h"
#include <duet/error.h>

static const char epoch[] = "abcdefgh";

static void append(struct stream *s, const char *text, uint32_t most, uint64_t now_ms)
{
    struct publication *p = publication_new(
        &(struct publication_parts){ .kind = HUB_TEXT, .data = text, .len = strlen(text), .time_ms = now_ms });
    assert_non_null(p);
    assert_int_equal(stream_reserve(s), 0);
    stream_append(s, p, most, now_ms);
    publication_unref(p);
}

static struct stream filled(unsigned n, uint32_t most)
{
    struct stream s;
    stream_init(&s, epoch);
    for (unsigned i = 1; i <= n; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        append(&s, text, most, i);
    }
    return s;
}

static struct stream_position position(const char *of, uint64_t offset)
{
    struct stream_position p = { .offset = offset };
    snprintf(p.epoch, sizeof(p.epoch), "%s", of);
    return p;
}

TEST(publication, holds_a_copy_of_all_its_parts)
{
    char data[] = "data", info[] = "{\"user\":\"u\"}", tags[] = "{\"a\":\"b\"}", key[] = "key", of[] = "e";
    struct publication *p = publication_new(&(struct publication_parts){ .kind = HUB_JSON,
                                                                         .data = data,
                                                                         .len = 4,
                                                                         .info = info,
                                                                         .info_len = strlen(info),
                                                                         .tags = tags,
                                                                         .tags_len = strlen(tags),
                                                                         .key = key,
                                                                         .key_len = 3,
                                                                         .version_epoch = of,
                                                                         .version_epoch_len = 1,
                                                                         .version = 7 });
    memset(data, 'x', sizeof(data) - 1);
    memset(info, 'x', sizeof(info) - 1);
    memset(tags, 'x', sizeof(tags) - 1);
    assert_string_equal((const char *)p->is.data, "data");
    assert_string_equal(p->is.info, "{\"user\":\"u\"}");
    assert_string_equal(p->is.tags, "{\"a\":\"b\"}");
    assert_string_equal(p->is.key, "key");
    assert_string_equal(p->is.version_epoch, "e");
    assert_int_equal(p->is.version, 7);
    publication_unref(p);
}

TEST(stream, counts_offsets_without_holes_and_keeps_the_newest)
{
    struct stream s = filled(10, 3);
    assert_int_equal(s.top, 10);
    assert_int_equal(s.count, 3);
    assert_int_equal(stream_oldest(&s), 8);
    assert_null(stream_at(&s, 7));
    assert_null(stream_at(&s, 11));
    for (uint64_t o = 8; o <= 10; o++) {
        assert_int_equal(stream_at(&s, o)->offset, o);
        assert_int_equal(atoi(stream_at(&s, o)->is.data), o);
    }
    stream_fini(&s);
}

TEST(stream, with_nothing_kept_has_no_oldest)
{
    struct stream s = filled(0, 3);
    assert_int_equal(stream_oldest(&s), 1);
    assert_null(stream_at(&s, 0));
    assert_null(stream_at(&s, 1));
    stream_fini(&s);
}

/* HUB-2: a position is recovered wholly or not at all. */
TEST(stream, recovers_exactly_what_is_wholly_kept)
{
    static const struct {
        const char *epoch;
        uint64_t offset;
        uint32_t most;
        bool recovers;
    } rows[] = {
        { "abcdefgh", 10, 300, true }, /* at the top: nothing missed */
        { "abcdefgh", 9, 300, true },
        { "abcdefgh", 7, 300, true },  /* the oldest kept is the next one */
        { "abcdefgh", 6, 300, false }, /* 7 was dropped */
        { "abcdefgh", 0, 300, false },
        { "abcdefgh", 11, 300, false }, /* from the future */
        { "abcdefgh", UINT64_MAX, 300, false },
        { "abcdefgX", 10, 300, false }, /* another epoch */
        { "", 9, 300, true },           /* any epoch */
        { "abcdefgh", 7, 3, true },     /* three are missed, and three may be told */
        { "abcdefgh", 7, 2, false },
        { "abcdefgh", 7, 4, true },
    };
    struct stream s = filled(10, 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stream_position from = position(rows[i].epoch, rows[i].offset);
        assert_int_equal(stream_recovers(&s, &from, rows[i].most), rows[i].recovers);
    }
    stream_fini(&s);
}

TEST(stream, forgets_all_when_the_newest_is_too_old)
{
    struct stream s = filled(5, 5); /* the last at 5 ms */
    stream_expire(&s, 10, 14);
    assert_int_equal(s.count, 5);
    stream_expire(&s, 10, 15);
    assert_int_equal(s.count, 0);
    assert_int_equal(s.bytes, 0);
    assert_int_equal(s.top, 5);
    struct stream_position top = position(epoch, 5), before = position(epoch, 4);
    assert_true(stream_recovers(&s, &top, 300));
    assert_false(stream_recovers(&s, &before, 300));
    append(&s, "6", 5, 16);
    assert_int_equal(stream_at(&s, 6)->offset, 6);
    stream_fini(&s);
}

/* STO-8: the clock went back. */
TEST(stream, of_the_future_does_not_expire_early)
{
    struct stream s = filled(0, 5);
    append(&s, "1", 5, 1000);
    stream_expire(&s, 10, 500);
    assert_int_equal(s.count, 1);
    stream_expire(&s, 0, 999);
    assert_int_equal(s.count, 1);
    stream_fini(&s);
}

TEST(stream, goes_on_behind_an_offset_that_was_kept_elsewhere)
{
    struct stream s;
    stream_init(&s, epoch);
    stream_resume(&s, 41, 7);
    assert_int_equal(stream_oldest(&s), 42);
    append(&s, "42", 5, 8);
    assert_int_equal(stream_at(&s, 42)->offset, 42);
    struct stream_position from = position(epoch, 41), before = position(epoch, 40);
    assert_true(stream_recovers(&s, &from, 300));
    assert_false(stream_recovers(&s, &before, 300));
    stream_fini(&s);
}

TEST(stream, without_memory_stays_as_it_was)
{
    struct stream s = filled(4, 100);
    mem_fail(0, true);
    int rc = stream_reserve(&s);
    mem_fail_end();
    assert_int_equal(rc, DUET_ERR_NOMEM);
    assert_int_equal(s.count, 4);
    append(&s, "5", 100, 5);
    assert_int_equal(stream_at(&s, 1)->offset, 1);
    stream_fini(&s);
}
