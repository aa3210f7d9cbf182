/* SPDX-License-Identifier: MIT */
/* MEM-7: newcomers are refused and the slowest closed before the kernel would end the process. */
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
    turns(2);
    ssize_t n = recv(fd, answer, sizeof(answer) - 1, 0);
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
    duet_conn *a = server->loops[0].slots[0].conn, *b = server->loops[0].slots[1].conn;
    assert_true(a != NULL && b != NULL);
    uint64_t a_id = a->id, b_id = b->id;
    while (duet_queued(b) == 0)
        assert_int_equal(duet_send(b, DUET_BINARY, payload, sizeof(payload)), 0);
    server->memory_max = 1; /* what look() finds is over it in any case */
    budget_start(&server->loops[0]);
    turns(3);
    assert_null(server_find(&server->loops[0], b_id));
    assert_int_equal(closed_with, DUET_ERR_NOMEM);
    assert_non_null(server_find(&server->loops[0], a_id)); /* it kept nothing waiting */
    close(small);
    close(large);
    detach();
}
