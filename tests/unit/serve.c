/* SPDX-License-Identifier: MIT */
/* duet_serve(): the whole of a small program's main, and the signals that end it (OPS-1). */
#include "test.h"
#include <duet/duet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64], url[80];

static void choose_path(void)
{
    snprintf(path, sizeof(path), "/tmp/duet-serve-%d.sock", (int)getpid());
    snprintf(url, sizeof(url), "unix:%s", path);
}

/* What a program would do, in a process of its own: it ends with what duet_serve() returned. */
static pid_t start(const char *listen, int drain_ms)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = listen };
        config.drain_ms = (unsigned)drain_ms;
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        exit(duet_serve(&config));
    }
    return pid;
}

/* Connected, as soon as it listens. */
static int dial(pid_t pid)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    memcpy(at.sun_path, path, strlen(path));
    for (;;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
            return fd;
        close(fd);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        usleep(1000);
    }
}

static int ended_with(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void upgrade(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    char answer[512];
    size_t len = 0;
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while (len < 4 || memcmp(answer + len - 4, "\r\n\r\n", 4) != 0)
        assert_int_equal(recv(fd, answer + len++, 1, 0), 1);
}

TEST(serve, ops_1_a_signal_drains_and_is_a_good_end)
{
    static const int signals[] = { SIGTERM, SIGINT };
    choose_path();
    for (int i = 0; i < 2; i++) {
        pid_t pid = start(url, 0);
        int fd = dial(pid);
        char close_frame[14];
        upgrade(fd);
        kill(pid, signals[i]);
        assert_int_equal(recv(fd, close_frame, sizeof(close_frame), MSG_WAITALL), sizeof(close_frame));
        assert_memory_equal(close_frame, "\x88\x0c\x03\xe9going away", sizeof(close_frame)); /* 1001 */
        assert_int_equal(send(fd, "\x88\x82\0\0\0\0\x03\xe9", 8, MSG_NOSIGNAL), 8);
        assert_int_equal(recv(fd, close_frame, 1, 0), 0);
        close(fd);
        assert_int_equal(ended_with(pid), 0);
    }
}

TEST(serve, ops_1_a_second_signal_ends_at_once_and_is_none)
{
    choose_path();
    pid_t pid = start(url, 3600 * 1000);
    int fd = dial(pid);
    char frame[4];
    upgrade(fd);
    kill(pid, SIGTERM);
    assert_int_equal(recv(fd, frame, 4, MSG_WAITALL), 4); /* the drain has begun, and nobody answers it */
    kill(pid, SIGTERM);
    assert_int_equal(ended_with(pid), 1);
    close(fd);
    unlink(path);
}

TEST(serve, what_cannot_be_served_ends_with_1)
{
    pid_t pid = start("nonsense", 0);
    assert_int_equal(ended_with(pid), 1);
}

/* In this process: the program's own handlers are back afterwards. */
TEST(serve, leaves_signals_as_they_were)
{
    struct sigaction before = { .sa_handler = SIG_IGN }, after;
    sigaction(SIGTERM, &before, NULL);
    int copy = dup(2), null = open("/dev/null", O_WRONLY);
    dup2(null, 2);
    int rc = duet_serve(&(duet_server_config){ DUET_SERVER_CONFIG_INIT, .listen = "nonsense" });
    dup2(copy, 2);
    close(copy);
    close(null);
    assert_int_equal(rc, 1);
    sigaction(SIGTERM, NULL, &after);
    assert_true(after.sa_handler == SIG_IGN);
}
