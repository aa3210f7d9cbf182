/* SPDX-License-Identifier: MIT */
/* Names and addresses by themselves; what a client makes of them is in client.c. */
#include "net/resolve.h"
#include "base/mem.h"
#include "net/loop.h"
#include "test.h"
#include <duet/loop.h>
#include <netinet/in.h>
#include <poll.h>

static unsigned answers;

static void count_answer(void *arg, const struct resolved *r)
{
    (void)r;
    answers++;
    *(bool *)arg = true;
}

TEST(resolve, what_is_an_address_needs_no_lookup)
{
    static const struct {
        const char *host;
        unsigned count;
        int family;
    } rows[] = {
        { "127.0.0.1", 1, AF_INET },  { "::1", 1, AF_INET6 }, { "localhost", 2, AF_INET6 },
        { "LocalHost", 2, AF_INET6 }, { "a.example", 0, 0 },  { "127.0.0", 0, 0 },
        { "", 0, 0 },                 { "::1::", 0, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct resolved r;
        assert_int_equal(resolve_literal(&r, rows[i].host, 80), rows[i].count > 0);
        assert_int_equal(r.count, rows[i].count);
        if (r.count > 0)
            assert_int_equal(r.address[0].at.ss_family, rows[i].family);
        if (r.count > 1)
            assert_int_equal(r.address[1].at.ss_family, AF_INET);
    }
}

TEST(resolve, a_name_has_at_most_255_bytes)
{
    char name[300];
    duet_loop *loop;
    bool done = false;
    struct lookup *l = NULL;
    assert_int_equal(duet_loop_new(&loop), 0);
    mem_fail(0, true); /* while there is no other thread yet */
    assert_int_equal(lookup_start(&l, loop, "a", 80, count_answer, &done), DUET_ERR_NOMEM);
    mem_fail_end();
    for (size_t len = 254; len <= 256; len++) {
        l = NULL;
        memset(name, 'a', len); /* no such name: a label has at most 63 */
        name[len] = 0;
        int rc = lookup_start(&l, loop, name, 80, count_answer, &done);
        assert_int_equal(rc, len <= 255 ? 0 : DUET_ERR_INVALID);
        lookup_cancel(l);
    }
    assert_false(done);
    duet_loop_free(loop);
}

/* More at once than there may be threads: each has its answer, once, and who was cancelled has none. */
TEST(resolve, many_lookups_share_few_threads)
{
    enum { MANY = 4 * RESOLVE_THREADS };
    static bool done[MANY];
    struct lookup *l[MANY];
    char name[80];
    duet_loop *loop;
    answers = 0;
    assert_int_equal(duet_loop_new(&loop), 0);
    memset(name, 'a', 64);
    strcpy(name + 64, ".b"); /* no name: it is refused without asking anybody */
    for (int i = 0; i < MANY; i++)
        assert_int_equal(lookup_start(&l[i], loop, name, 80, count_answer, &done[i]), 0);
    for (int i = 0; i < MANY; i += 4)
        lookup_cancel(l[i]);
    while (answers < MANY - MANY / 4)
        assert_true(duet_loop_turn(loop, 100) >= 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(done[i], i % 4 != 0);
    /* Cancelled when its answer is on the way already: the loop does not tell it. */
    bool told = false;
    assert_int_equal(lookup_start(&l[0], loop, name, 80, count_answer, &told), 0);
    assert_int_equal(poll(&(struct pollfd){ duet_loop_fd(loop), POLLIN, 0 }, 1, -1), 1);
    lookup_cancel(l[0]);
    assert_true(duet_loop_turn(loop, 0) >= 0);
    assert_false(told);
    duet_loop_free(loop);
}
