/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "net/listen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 100 };

static char why[200];

static int open_one(const char *host, unsigned port, const char *path)
{
    int fd = -1;
    why[0] = 0;
    int n = listen_open(&fd, 1, host, port, path, false, why);
    return n == 1 ? fd : n;
}

static int connect_to(int family, const char *host, unsigned port)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    int fd = socket(family, SOCK_STREAM, 0);
    inet_pton(family, host, family == AF_INET ? (void *)&four.sin_addr : (void *)&six.sin6_addr);
    const struct sockaddr *at = family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;
    if (connect(fd, at, family == AF_INET ? sizeof(four) : sizeof(six)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool has_six(void)
{
    int fd = open_one("::1", 0, NULL);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

TEST(listen, net_12_a_busy_port_is_an_error_that_names_the_port)
{
    int fd = open_one("127.0.0.1", 0, NULL);
    assert_true(fd >= 0);
    unsigned port = listen_port(fd);
    char text[16];
    snprintf(text, sizeof(text), "port %u ", port);
    assert_int_equal(open_one("127.0.0.1", port, NULL), -EADDRINUSE);
    assert_non_null(strstr(why, text));
    assert_int_equal(open_one("*", port, NULL), -EADDRINUSE);
    int shared[1];
    assert_int_equal(listen_open(shared, 1, "127.0.0.1", port, NULL, true, why), -EADDRINUSE);
    close(fd);
}

TEST(listen, net_12_a_shared_port_is_busy_for_others_and_open_to_another_loop)
{
    int fd, other;
    assert_int_equal(listen_open(&fd, 1, "127.0.0.1", 0, NULL, true, why), 1);
    assert_int_equal(listen_open(&other, 1, "127.0.0.1", listen_port(fd), NULL, true, why), -EADDRINUSE);
    other = listen_again(fd);
    assert_true(other >= 0 && other != fd);
    assert_int_equal(listen_port(other), listen_port(fd));
    close(fd);
    int client = connect_to(AF_INET, "127.0.0.1", listen_port(other));
    assert_true(client >= 0);
    close(client);
    close(other);
}

TEST(listen, net_12_every_address_and_port_0_is_one_socket_for_both_families)
{
    int fd = open_one("", 0, NULL);
    assert_true(fd >= 0);
    assert_true(listen_port(fd) != 0);
    int four = connect_to(AF_INET, "127.0.0.1", listen_port(fd));
    assert_true(four >= 0);
    close(four);
    if (has_six()) {
        int six = connect_to(AF_INET6, "::1", listen_port(fd));
        assert_true(six >= 0);
        close(six);
    }
    close(fd);
}

TEST(listen, net_12_localhost_is_one_port_on_both_families)
{
    int fds[2], n = listen_open(fds, 2, "localhost", 0, NULL, false, why);
    assert_int_equal(n, has_six() ? 2 : 1);
    if (n == 2)
        assert_int_equal(listen_port(fds[0]), listen_port(fds[1]));
    while (n > 0)
        close(fds[--n]);
}

/* The rest of this process has no IPv6: socket() says so. */
static void lose_six(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof(rules) / sizeof(*rules), .filter = rules };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

/* 0, or a number that says what went wrong. */
static int without_six(void)
{
    lose_six();
    int fds[2];
    if (open_one("*", 0, NULL) < 0)
        return 1;
    if (listen_open(fds, 2, "localhost", 0, NULL, false, why) != 1)
        return 2;
    if (open_one("::1", 0, NULL) != -EAFNOSUPPORT || strstr(why, "no IPv6") == NULL)
        return 3;
    return 0;
}

/* The port that the caller named is free on one family alone: an error, and nothing stays open. */
TEST(listen, net_12_localhost_has_both_families_or_none)
{
    int fds[2], six = open_one("::1", 0, NULL);
    if (six < 0)
        skip();
    unsigned port = listen_port(six);
    int probe = open_one("127.0.0.1", port, NULL);
    if (probe < 0) { /* somebody else has it */
        close(six);
        skip();
    }
    close(probe);
    assert_int_equal(listen_open(fds, 2, "localhost", port, NULL, false, why), -EADDRINUSE);
    assert_non_null(strstr(why, "in use"));
    int lowest = dup(six); /* what was opened first is closed again */
    assert_int_equal(lowest, probe);
    close(lowest);
    close(six);
    assert_int_equal(listen_open(fds, 1, "localhost", 0, NULL, false, why), 1); /* who wants one gets IPv4 */
    int fd = connect_to(AF_INET, "127.0.0.1", listen_port(fds[0]));
    assert_true(fd >= 0);
    close(fd);
    close(fds[0]);
}

/* Another loop's listener is of the same kind: an IPv6 one takes IPv4 only where the first did. */
TEST(listen, net_12_another_loop_listens_as_the_first_does)
{
    static const char *const hosts[] = { "*", "::1", "127.0.0.1", "localhost" };
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        int fds[2];
        if (!has_six() && strchr(hosts[i], ':') != NULL)
            continue;
        int count = listen_open(fds, 2, hosts[i], 0, NULL, true, why);
        assert_true(count > 0);
        for (int k = 0; k < count; k++) {
            int again = listen_again(fds[k]), only[2] = { 0, 0 };
            assert_true(again >= 0);
            assert_int_equal(listen_port(again), listen_port(fds[k]));
            socklen_t len = sizeof(int);
            getsockopt(fds[k], IPPROTO_IPV6, IPV6_V6ONLY, &only[0], &len);
            getsockopt(again, IPPROTO_IPV6, IPV6_V6ONLY, &only[1], &len);
            assert_int_equal(only[0], only[1]);
            close(again);
            close(fds[k]);
        }
    }
}

TEST(listen, a_port_or_a_place_for_it_that_cannot_be_is_refused)
{
    int fd;
    assert_int_equal(listen_open(&fd, 1, "*", 65536, NULL, false, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "65536 is no port"));
    assert_int_equal(listen_open(&fd, 0, "*", 0, NULL, false, why), DUET_ERR_INVALID);
    fd = open_one("", 0, NULL);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(listen_again(-1), -EBADF);
    assert_int_equal(listen_same(-1), -EBADF);
}

TEST(listen, net_12_without_ipv6_it_listens_on_ipv4)
{
    pid_t child = fork();
    if (child == 0)
        _exit(without_six());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

TEST(listen, an_address_that_is_not_here_is_named)
{
    assert_int_equal(open_one("192.0.2.1", 0, NULL), -EADDRNOTAVAIL);
    assert_non_null(strstr(why, "192.0.2.1"));
    assert_true(open_one("no such name.invalid", 0, NULL) < 0);
    assert_non_null(strstr(why, "no such name"));
    assert_int_equal(open_one("127.0.0.1", 65536, NULL), DUET_ERR_INVALID);
}

/* A fresh directory, and a path in it that makes `len` bytes. */
static char dir[32], path[200];

static void make_path(size_t len)
{
    strcpy(dir, "/tmp/duet-XXXXXX");
    assert_non_null(mkdtemp(dir));
    memset(path, 'p', sizeof(path));
    memcpy(path, dir, strlen(dir));
    path[strlen(dir)] = '/';
    path[len] = 0;
}

static void drop_path(void)
{
    unlink(path);
    rmdir(dir);
}

TEST(listen, net_12_a_unix_path_has_at_most_107_bytes)
{
    for (size_t len = 106; len <= 108; len++) {
        make_path(len);
        int fd = open_one(NULL, 0, path);
        if (len <= 107) {
            assert_true(fd >= 0);
            assert_int_equal(listen_port(fd), 0);
            close(fd);
        } else {
            assert_int_equal(fd, -ENAMETOOLONG);
            assert_non_null(strstr(why, "107"));
        }
        drop_path();
    }
}

TEST(listen, net_12_a_unix_socket_is_taken_over_only_when_nobody_listens)
{
    make_path(40);
    int fd = open_one(NULL, 0, path);
    assert_true(fd >= 0);
    assert_int_equal(open_one(NULL, 0, path), -EADDRINUSE);
    assert_non_null(strstr(why, path));
    int copy = listen_same(fd);
    close(fd);
    assert_int_equal(open_one(NULL, 0, path), -EADDRINUSE); /* the copy listens */
    close(copy);
    fd = open_one(NULL, 0, path);
    assert_true(fd >= 0);
    close(fd);
    drop_path();
}

TEST(listen, net_12_a_file_that_is_no_socket_is_left_alone)
{
    make_path(40);
    FILE *f = fopen(path, "w");
    fclose(f);
    assert_int_equal(open_one(NULL, 0, path), -EADDRINUSE);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    drop_path();
}

static struct address seen[16];

static int look(const char *host, unsigned port, const char *file)
{
    why[0] = 0;
    return listen_look(seen, 16, host, port, file, why);
}

TEST(listen, a_look_refuses_what_listening_would)
{
    assert_int_equal(look("192.0.2.1", 80, NULL), -EADDRNOTAVAIL);
    assert_non_null(strstr(why, "192.0.2.1"));
    assert_true(look("no such name.invalid", 0, NULL) < 0);
    assert_non_null(strstr(why, "no such name"));
    make_path(108);
    assert_int_equal(look(NULL, 0, path), -ENAMETOOLONG);
    path[107] = 0;
    assert_int_equal(look(NULL, 0, path), 1);
    path[40] = 0;
    assert_int_equal(close(open_one(NULL, 0, path)), 0);
    assert_int_equal(look(NULL, 0, path), 1); /* who listens there may be the one that is looked at */
    unlink(path);
    FILE *f = fopen(path, "w");
    fclose(f);
    assert_int_equal(look(NULL, 0, path), -EADDRINUSE);
    assert_non_null(strstr(why, "is no socket"));
    drop_path();
    assert_int_equal(look(NULL, 0, path), -ENOENT);
    assert_non_null(strstr(why, path));
    assert_int_equal(look(NULL, 0, "/tmp"), -EADDRINUSE);
}

TEST(listen, a_look_leaves_ports_and_files_alone)
{
    int fd = open_one("127.0.0.1", 0, NULL);
    assert_int_equal(look("127.0.0.1", listen_port(fd), NULL), 1); /* a busy port may be our own */
    close(fd);
    make_path(40);
    assert_int_equal(look(NULL, 0, path), 1);
    struct stat st;
    assert_int_equal(stat(path, &st), -1);
    drop_path();
}

static bool clash(const char *a, unsigned a_port, const char *b, unsigned b_port)
{
    struct address others[16];
    int n = listen_look(others, 16, a, a_port, NULL, why), m = look(b, b_port, NULL);
    bool found = false;
    assert_true(n > 0 && m > 0);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < m; k++) {
            assert_int_equal(listen_clash(&others[i], &seen[k]), listen_clash(&seen[k], &others[i]));
            found |= listen_clash(&others[i], &seen[k]);
        }
    return found;
}

/* As the system has it: each row is tried there, too. */
TEST(listen, a_look_sees_which_keep_each_other_out)
{
    static const struct {
        const char *a, *b;
        bool clash;
    } rows[] = {
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "127.0.0.2", false },
        { "127.0.0.1", "0.0.0.0", true },
        { "127.0.0.1", "*", true },
        { "127.0.0.1", "localhost", true },
        { "127.0.0.1", "::1", false },
        { "::1", "localhost", true },
        { "::1", "*", true },
        { "::1", "::", true },
        { "0.0.0.0", "::", false },
        { "*", "*", true },
        { "", "::", true },
        { "localhost", "127.0.0.2", false },
    };
    if (!has_six())
        skip();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int fds[2] = { -1, -1 }, others[2] = { -1, -1 };
        int n = listen_open(fds, 2, rows[i].a, 0, NULL, false, why);
        assert_true(n > 0);
        unsigned port = listen_port(fds[0]);
        int m = listen_open(others, 2, rows[i].b, port, NULL, false, why);
        if (clash(rows[i].a, port, rows[i].b, port) != rows[i].clash || (m < 0) != rows[i].clash)
            fail_msg("%s and %s: %d", rows[i].a, rows[i].b, m);
        assert_false(clash(rows[i].a, port, rows[i].b, port == 1 ? 2 : port - 1));
        assert_false(clash(rows[i].a, 0, rows[i].b, 0));
        for (int k = 0; k < 2; k++) {
            if (k < n)
                close(fds[k]);
            if (k < m)
                close(others[k]);
        }
    }
    struct address first;
    assert_int_equal(look(NULL, 0, "/tmp/a"), 1);
    first = seen[0];
    assert_true(listen_clash(&first, &seen[0]));
    assert_int_equal(look(NULL, 0, "/tmp/b"), 1);
    assert_false(listen_clash(&first, &seen[0]));
    assert_int_equal(look("127.0.0.1", 80, NULL), 1);
    assert_false(listen_clash(&first, &seen[0]));
}

/* What systemd hands over is still its own, and goes on as it was when the server's copy is closed. */
TEST(listen, a_passed_socket_is_copied_and_never_waits)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), nodelay = 0;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 5), 0);
    int copy = listen_passed(fd, why);
    assert_true(copy >= 0 && copy != fd);
    assert_int_equal(listen_port(copy), listen_port(fd));
    assert_true(fcntl(copy, F_GETFL) & O_NONBLOCK);
    assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
    int client = connect_to(AF_INET, "127.0.0.1", listen_port(fd));
    int got = accept(copy, NULL, NULL);
    socklen_t len = sizeof(nodelay);
    getsockopt(got, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len);
    assert_true(nodelay);
    close(got);
    close(client);
    close(copy);
    client = connect_to(AF_INET, "127.0.0.1", listen_port(fd));
    assert_true(client >= 0);
    close(client);
    close(fd);
}

static void refused(int fd, const char *what)
{
    assert_int_equal(listen_passed(fd, why), DUET_ERR_INVALID);
    if (strstr(why, what) == NULL)
        assert_string_equal(why, what);
    close(fd);
}

TEST(listen, a_passed_descriptor_that_is_no_listening_stream_socket_is_refused)
{
    int pair[2];
    assert_int_equal(listen_passed(99999, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "descriptor 99999 is not open"));
    refused(open("/dev/null", O_RDONLY), "is no stream socket");
    refused(socket(AF_INET, SOCK_DGRAM, 0), "is no stream socket");
    refused(socket(AF_NETLINK, SOCK_RAW, 0), "is no stream socket");
    refused(socket(AF_INET, SOCK_STREAM, 0), "does not listen");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    refused(pair[0], "does not listen");
    refused(pair[1], "does not listen");
    make_path(40);
    int fd = open_one(NULL, 0, path), copy = listen_passed(fd, why);
    assert_true(copy >= 0);
    close(copy);
    close(fd);
    drop_path();
    fd = open_one("127.0.0.1", 0, NULL);
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(listen_passed(fd, why), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_non_null(strstr(why, "cannot listen on descriptor"));
    close(fd);
}

static duet_loop *loop;
static struct listener listener;
static int clients[CLIENTS], got[CLIENTS], accepted, refusals, refusal;
static uint64_t refused_ms;
static char last_peer[64];

static void count_accepted(struct listener *l, int fd, const struct address *peer)
{
    (void)l;
    address_text(peer, last_peer);
    got[accepted++] = fd;
}

/* Said once a second, however often it happens. */
static void count_refused(struct listener *l, int error)
{
    uint64_t now = l->loop->now_ms;
    assert_true(refusals == 0 || now - refused_ms >= 1000);
    refused_ms = now;
    refusal = error;
    refusals++;
}

/* A listener with `count` clients in its backlog. */
static void begin(int count)
{
    assert_int_equal(duet_loop_new(&loop), 0);
    int fd = open_one("127.0.0.1", 0, NULL);
    listener = (struct listener){ .accepted = count_accepted, .refused = count_refused };
    assert_int_equal(listener_start(&listener, loop, fd), 0);
    accepted = refusals = 0;
    for (int i = 0; i < count; i++)
        clients[i] = connect_to(AF_INET, "127.0.0.1", listen_port(fd));
}

static void end(int count)
{
    for (int i = 0; i < count; i++)
        close(clients[i]);
    for (int i = 0; i < accepted; i++)
        close(got[i]);
    duet_loop_free(loop);
}

TEST(listen, net_11_at_most_64_are_accepted_in_a_turn)
{
    begin(CLIENTS);
    duet_loop_turn(loop, 0);
    assert_int_equal(accepted, 64);
    duet_loop_turn(loop, 0);
    assert_int_equal(accepted, CLIENTS);
    assert_int_equal(strncmp(last_peer, "127.0.0.1:", 10), 0);
    int nodelay = 0, fd = got[0];
    socklen_t len = sizeof(nodelay);
    getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len);
    assert_true(nodelay);
    listener_stop(&listener, false);
    end(CLIENTS);
}

TEST(listen, a_stop_takes_what_waits_when_told_to)
{
    begin(CLIENTS);
    listener_stop(&listener, true);
    listener_stop(&listener, true);
    assert_int_equal(accepted, CLIENTS);
    end(CLIENTS);
    begin(1);
    listener_stop(&listener, false);
    assert_int_equal(accepted, 0);
    end(1);
}

static void stop_at_once(struct listener *l, int fd, const struct address *peer)
{
    count_accepted(l, fd, peer);
    listener_stop(l, false);
}

TEST(listen, a_stop_in_the_callback_is_the_end)
{
    begin(3);
    listener.accepted = stop_at_once;
    duet_loop_turn(loop, 0);
    assert_int_equal(duet_loop_turn(loop, 0), 0);
    assert_int_equal(accepted, 1);
    end(3);
}

/* No descriptor is left for this process; returns the old limit. */
static struct rlimit use_up(void)
{
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    int lowest = dup(0);
    close(lowest);
    none = old;
    none.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return old;
}

TEST(listen, net_1_without_descriptors_it_turns_one_away_and_waits_longer_and_longer)
{
    begin(10);
    struct rlimit old = use_up();
    duet_loop_turn(loop, 0);
    assert_int_equal(refusals, 1);
    assert_int_equal(refusal, -EMFILE);
    assert_int_equal(listener.backoff_ms, 100);
    char byte;
    assert_int_equal(recv(clients[0], &byte, 1, 0), 0); /* the first was turned away */
    assert_int_equal(recv(clients[1], &byte, 1, MSG_DONTWAIT), -1);
    int turns = 0;
    for (; listener.backoff_ms < 400 && turns < 20; turns++) /* a wait, a try, twice: it does not spin */
        duet_loop_turn(loop, 10000);
    assert_int_equal(listener.backoff_ms, 400);
    assert_int_equal(accepted, 0);
    setrlimit(RLIMIT_NOFILE, &old);
    for (turns = 0; accepted < 7 && turns < 20; turns++)
        duet_loop_turn(loop, 10000);
    assert_int_equal(accepted, 7); /* three were turned away */
    assert_int_equal(listener.backoff_ms, 0);
    listener_stop(&listener, false);
    end(10);
}

TEST(listen, net_3_clients_that_reset_before_they_are_accepted_do_no_harm)
{
    begin(20);
    for (int i = 0; i < 19; i++) {
        struct linger hard = { .l_onoff = 1 };
        setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        close(clients[i]);
    }
    duet_loop_turn(loop, 0);
    assert_in_range(accepted, 1, 20);
    assert_int_equal(refusals, 0);
    assert_true(send(clients[19], "x", 1, 0) == 1);
    listener_stop(&listener, false);
    clients[0] = clients[19];
    end(1);
}

TEST(listen, one_socket_in_two_loops_is_exclusive)
{
    begin(0);
    duet_loop *other;
    assert_int_equal(duet_loop_new(&other), 0);
    unsigned port = listen_port(listener.fd);
    struct listener second = { .accepted = count_accepted, .refused = count_refused, .exclusive = true };
    assert_int_equal(listener_start(&second, other, dup(listener.fd)), 0);
    listener_stop(&listener, false);
    int client = connect_to(AF_INET, "127.0.0.1", port);
    duet_loop_turn(other, 1000);
    assert_true(client >= 0);
    assert_int_equal(accepted, 1);
    close(client);
    listener_stop(&second, false);
    duet_loop_free(other);
    end(0);
}

TEST(listen, addresses_read_as_people_write_them)
{
    struct address a = { 0 };
    char text[64];
    struct sockaddr_in *four = (struct sockaddr_in *)&a.at;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a.at;
    four->sin_family = AF_INET;
    four->sin_port = htons(80);
    inet_pton(AF_INET, "192.0.2.1", &four->sin_addr);
    address_text(&a, text);
    assert_string_equal(text, "192.0.2.1:80");
    six->sin6_family = AF_INET6;
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &six->sin6_addr);
    address_text(&a, text);
    assert_string_equal(text, "192.0.2.7:80");
    inet_pton(AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666", &six->sin6_addr);
    address_text(&a, text);
    assert_string_equal(text, "[2001:db8:1111:2222:3333:4444:5555:6666]:80");
    a.at.ss_family = AF_UNIX;
    address_text(&a, text);
    assert_string_equal(text, "unix");
}
