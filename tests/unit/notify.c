/* SPDX-License-Identifier: MIT */
/* What systemd is told, by the datagrams that come. */
#include "cmd/notify.h"
#include "test.h"
#include <duet/error.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct notify n;
static char path[108];

/* A socket of this name, "@" for the abstract ones, and the environment that says so. */
static int manager(const char *kind)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int len = snprintf(path, sizeof(path), "%sduet-notify-%d", kind, (int)getpid());
    memcpy(at.sun_path, path, (size_t)len);
    if (at.sun_path[0] == '@')
        at.sun_path[0] = 0;
    else
        unlink(path);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    return fd;
}

static const char *heard(int fd)
{
    static char state[600];
    ssize_t len = recv(fd, state, sizeof(state) - 1, MSG_DONTWAIT);
    state[len > 0 ? len : 0] = 0;
    return state;
}

TEST(notify, tells_what_sd_notify_does)
{
    static const char *const kinds[] = { "/tmp/", "@" };
    for (int i = 0; i < 2; i++) {
        char far[1000];
        int fd = manager(kinds[i]);
        assert_int_equal(notify_begin(&n), 0);
        assert_null(getenv("NOTIFY_SOCKET"));
        assert_int_equal(notify_ready(&n, "ws://a"), 0);
        assert_string_equal(heard(fd), "READY=1\nSTATUS=Serving ws://a");
        assert_int_equal(notify_ready(&n, NULL), 0);
        assert_string_equal(heard(fd), "READY=1");
        assert_int_equal(notify_stopping(&n, 40000), 0);
        assert_string_equal(heard(fd), "STOPPING=1\nSTATUS=Draining\nEXTEND_TIMEOUT_USEC=40000000");
        assert_int_equal(notify_reloading(&n), 0);
        assert_memory_equal(heard(fd), "RELOADING=1\nMONOTONIC_USEC=", 27);
        memset(far, 'x', sizeof(far));
        far[999] = 0;
        assert_int_equal(notify_ready(&n, far), 0);
        assert_int_equal(strlen(heard(fd)), 8 + 15 + 400);
        close(fd);
        assert_true(notify_ready(&n, NULL) < 0);
        unlink(path);
    }
}

TEST(notify, is_silent_where_nobody_asked)
{
    assert_int_equal(notify_begin(&n), 0);
    assert_int_equal(notify_ready(&n, "a"), 0);
    assert_int_equal(notify_reloading(&n), 0);
    assert_int_equal(notify_stopping(&n, 1), 0);
}

TEST(notify, what_is_no_socket_is_refused)
{
    char text[120];
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    for (size_t len = 107; len <= 108; len++) {
        text[len] = 0;
        setenv("NOTIFY_SOCKET", text, 1);
        assert_int_equal(notify_begin(&n), len <= 107 ? 0 : DUET_ERR_INVALID);
        assert_null(getenv("NOTIFY_SOCKET"));
        text[len] = 'a';
    }
    assert_int_equal(notify_ready(&n, NULL), 0);
    static const char *const bad[] = { "", "/", "relative" };
    for (int i = 0; i < 3; i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        assert_int_equal(notify_begin(&n), DUET_ERR_INVALID);
    }
}
