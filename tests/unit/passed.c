/* SPDX-License-Identifier: MIT */
/* A server on a socket that somebody else opened: "fd:3", as systemd passes it. */
#include "attached.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

static int open_socket(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static void attach_to(int fd)
{
    char url[16];
    snprintf(url, sizeof(url), "fd:%d", fd);
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = url };
    assert_int_equal(duet_loop_new(&loop), 0);
    assert_int_equal(duet_server_new(&server, &config, NULL), 0);
    assert_int_equal(duet_server_attach(server, loop), 0);
    assert_true(duet_server_port(server, 0) != 0);
}

static int dial_and_ask(void)
{
    static const char request[] = ATTACHED_REQUEST("/");
    int fd = dial();
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    return fd;
}

TEST(passed, ops_3_what_waits_in_a_drain_is_served_by_the_next_server)
{
    int fd = open_socket();
    char answer[129];
    attach_to(fd);
    int first = dial_and_ask();
    receive(first, answer, sizeof(answer));
    duet_server_drain(server);
    int second = dial_and_ask(); /* it waits when the drain begins */
    duet_loop_turn(loop, 0);
    close(first);
    while (!duet_server_over(server))
        duet_loop_turn(loop, 5);
    int third = dial_and_ask();
    detach();
    assert_int_equal(recv(second, answer, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    attach_to(fd);
    receive(second, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 101 ", 13);
    receive(third, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 101 ", 13);
    detach();
    close(second);
    close(third);
    close(fd);
}

/* The loops of a server with threads, by the ids of what they opened. */
static atomic_uint seen;

static void note_loop(duet_conn *c)
{
    atomic_fetch_or(&seen, 1u << (duet_id(c) & 0xff));
    usleep(20000); /* busy, so that the other loop takes what comes now */
}

static void *run_server(void *arg)
{
    (void)arg;
    assert_int_equal(duet_server_run(server), 0);
    return NULL;
}

TEST(passed, all_loops_accept_from_one_socket)
{
    char url[16];
    int fd = open_socket(), clients[64], count = 0;
    pthread_t thread;
    snprintf(url, sizeof(url), "fd:%d", fd);
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = url, .threads = 2, .on.open = note_loop };
    atomic_store(&seen, 0);
    assert_int_equal(duet_server_new(&server, &config, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_server, NULL), 0);
    for (; count < 64 && atomic_load(&seen) != 3; count++) {
        clients[count] = dial_and_ask();
        usleep(1000);
    }
    for (int i = 0; i < count; i++) { /* each is answered, whoever took it */
        struct pollfd p = { .fd = clients[i], .events = POLLIN };
        assert_int_equal(poll(&p, 1, 20000), 1);
    }
    assert_int_equal(atomic_load(&seen), 3);
    duet_server_stop(server);
    pthread_join(thread, NULL);
    duet_server_free(server);
    while (count > 0)
        close(clients[--count]);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC); /* it stayed ours */
    close(fd);
}

TEST(passed, what_cannot_be_listened_on_is_refused_with_its_remedy)
{
    char why[200], url[16];
    int fd = open_socket();
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "fd:99999" };
    assert_int_equal(duet_server_new(&server, &config, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "descriptor 99999 is not open"));
    config.listen = "fd:web";
    assert_int_equal(duet_server_new(&server, &config, why), DUET_ERR_URL);
    assert_non_null(strstr(why, "with its number"));
    config.listen = "fd+tls:3";
    assert_int_equal(duet_server_new(&server, &config, why), DUET_ERR_TLS);
    snprintf(url, sizeof(url), "fd:%d", fd);
    const char *many[18] = { url };
    for (int i = 1; i < 17; i++)
        many[i] = url;
    config.listen = NULL;
    config.listen_also = many;
    assert_int_equal(duet_server_new(&server, &config, why), DUET_ERR_INVALID);
    assert_string_equal(why, "cannot listen on more than 16 sockets");
    many[16] = NULL;
    assert_int_equal(duet_server_new(&server, &config, why), 0);
    duet_server_free(server);
    close(fd);
}
