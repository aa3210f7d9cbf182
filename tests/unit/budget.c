/* SPDX-License-Identifier: MIT */
/* MEM-7, MSG-3: newcomers are refused and the fullest closed before the kernel would end the process. */
#include "attached.h"

static int closed_with;

static void count_close(duet_conn *c, const duet_closing *why)
{
    (void)c;
    closed_with = why->error;
}

static void start(unsigned memory_mib)
{
    attach((duet_server_config){ .memory_mib = memory_mib, .on = { .close = count_close } });
}

static void turns(int n)
{
    while (n-- > 0)
        assert_true(duet_loop_turn(loop, 5) >= 0);
}

/* Until that connection is gone: what a peer sent may wait for an acknowledgement of what it had sent before. */
static void turns_until_gone(uint64_t id)
{
    for (int i = 0; i < 2000 && server_find(&server->loops[0], id) != NULL; i++)
        turns(1);
    assert_null(server_find(&server->loops[0], id));
}

/* Sends an upgrade and reads what comes back. */
static void ask(int fd, char answer[2048])
{
    static const char request[] = ATTACHED_REQUEST("/");
    size_t have = 0;
    send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
    for (int i = 0; i < 100 && have == 0; i++) {
        turns(1);
        ssize_t n = recv(fd, answer, 2047, MSG_DONTWAIT);
        have = n > 0 ? (size_t)n : 0;
    }
    answer[have] = 0;
}

TEST(budget, mem_7_newcomers_get_503_near_the_limit)
{
    char answer[2048];
    start(1); /* any process is larger */
    turns(1);
    int fd = dial();
    ssize_t n = -1;
    for (int i = 0; i < 2000 && n < 0; i++) {
        turns(1);
        n = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
    }
    assert_true(n > 0);
    answer[n] = 0;
    assert_non_null(strstr(answer, "HTTP/1.1 503 "));
    assert_int_equal(server->loops[0].reasons[DUET_REASON_no_memory], 1);
    close(fd);
    detach();
}

TEST(budget, mem_7_the_fullest_queue_is_closed_first)
{
    static char payload[900 * 1024];
    char answer[2048];
    start(DUET_OFF);
    int small = dial(), large = dial();
    ask(small, answer);
    assert_non_null(strstr(answer, "101"));
    ask(large, answer);
    duet_conn *a = server_slot(&server->loops[0], 0), *b = server_slot(&server->loops[0], 1);
    assert_true(a != NULL && b != NULL);
    uint64_t a_id = a->id, b_id = b->id;
    while (duet_queued(b) == 0)
        assert_int_equal(duet_send(b, DUET_BINARY, payload, sizeof(payload)), 0);
    server->memory_max = 1; /* what look() finds is over it in any case */
    budget_start(&server->loops[0]);
    turns_until_gone(b_id);
    assert_int_equal(closed_with, DUET_ERR_NOMEM);
    assert_non_null(server_find(&server->loops[0], a_id)); /* it kept nothing waiting */
    close(small);
    close(large);
    detach();
}

/* A megabyte less a little of a message that does not end. */
static void send_unfinished(int fd)
{
    static uint8_t frame[1000 * 1024] = { 0x02, 0xff, 0, 0, 0, 0, 0, 0x0f, 0xa0, 0 };
    size_t len = 14 + 900 * 1024, sent = 0;
    uint64_t all = server->loops[0].host.bytes_in + len;
    while (sent < len) {
        ssize_t n = send(fd, frame + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        turns(1);
    }
    while (server->loops[0].host.bytes_in < all)
        turns(1);
}

TEST(budget, msg_3_a_message_that_is_not_whole_counts)
{
    char answer[2048];
    start(DUET_OFF);
    int idle = dial(), large = dial();
    ask(idle, answer);
    ask(large, answer);
    send_unfinished(large);
    uint64_t idle_id = server_slot(&server->loops[0], 0)->id, large_id = server_slot(&server->loops[0], 1)->id;
    server->memory_max = 1;
    budget_start(&server->loops[0]);
    turns_until_gone(large_id);
    assert_int_equal(closed_with, DUET_ERR_NOMEM);
    assert_non_null(server_find(&server->loops[0], idle_id));
    close(idle);
    close(large);
    detach();
}

/* No timer is needed for it: whoever sends is looked at before more of it is read. */
TEST(budget, mem_7_it_is_looked_at_before_reading)
{
    char answer[2048];
    start(DUET_OFF);
    int fd = dial();
    ask(fd, answer);
    send_unfinished(fd);
    uint64_t id = server_slot(&server->loops[0], 0)->id;
    server->memory_max = 1;
    budget_start(&server->loops[0]);
    timer_cancel(&loop->wheel, &server->loops[0].budget);
    turns(3);
    assert_non_null(server_find(&server->loops[0], id));
    uint64_t had = server->loops[0].host.bytes_in;
    send(fd, "more", 4, MSG_NOSIGNAL);
    turns_until_gone(id);
    assert_int_equal(server->loops[0].host.bytes_in, had);
    close(fd);
    detach();
}
