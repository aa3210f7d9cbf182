/* SPDX-License-Identifier: MIT */
/* How long the turns of a server's loops took, as it tells others. */
#include "attached.h"

static duet_server_stats stats;

static uint64_t told(void)
{
    uint64_t sum = 0;
    duet_server_read_stats(server, &stats);
    for (int i = 0; i < DUET_TURN_BUCKETS; i++)
        sum += stats.turns[i];
    return sum;
}

TEST(turns, are_told_at_the_beat_of_a_server_and_no_sooner)
{
    attach((duet_server_config){ .threads = 1 });
    struct timer *beat = &server->loops[0].beat;
    for (int i = 0; i < 3; i++)
        duet_loop_turn(loop, 0);
    assert_int_equal(told(), 0);
    loop->turns.sum_us += 5000;
    loop->turns.counts[7]++;
    beat->due(beat);
    assert_int_equal(told(), 4);
    assert_int_equal(stats.turns[7], 1);
    assert_true(stats.turns_us >= 5000);
    detach();
}

TEST(turns, of_all_loops_are_added_up)
{
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .threads = 2 };
    assert_int_equal(duet_server_new(&server, &config, NULL), 0);
    for (unsigned i = 0; i < server->count; i++) {
        server->loops[i].turns[0] = i + 1;
        server->loops[i].turns_us = 10 * (i + 1);
    }
    assert_int_equal(told(), 3);
    assert_int_equal(stats.turns_us, 30);
    duet_server_free(server);
}
