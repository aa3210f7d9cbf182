/* SPDX-License-Identifier: MIT */
/* The programs that the demo starts: real ones, of the shell. */
#include "cmd/backends.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cmd/child.h"
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WITHIN_MS = 5000 };

static char folder[] = "/tmp/duet-backends-XXXXXX";
static duet_loop *loop;
static char logged[16 * 1024];
static int fork_errors; /* how many forks fail from now on */

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    if (fork_errors == 0)
        return __real_fork();
    fork_errors--;
    errno = EAGAIN;
    return -1;
}

static void log_line(void *arg, const duet_log_event *e)
{
    size_t len = strlen(logged);
    (void)arg;
    snprintf(logged + len, sizeof(logged) - len, "%s %s: %s\n", e->event, e->way, e->detail);
}

static const char *path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void program(const char *name, const char *lines)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", lines);
    fclose(f);
    assert_int_equal(chmod(path_of(name), 0755), 0);
}

/* Signals as the server has them. */
static void prepare(void)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (loop == NULL)
        assert_true(mkdtemp(folder) != NULL && duet_loop_new(&loop) == 0);
}

__attribute__((destructor)) static void clean_up(void)
{
    duet_loop_free(loop);
    unlink(path_of("program"));
    rmdir(path_of("folder"));
    rmdir(folder);
}

static struct backends_config config(const struct backends_kind *kinds)
{
    prepare();
    logged[0] = 0;
    return (struct backends_config){
        .kinds = kinds,
        .folders = { "/nonexistent", folder },
        .host = "127.0.0.1",
        .port = 9000,
        .first_ms = 1,
        .most_ms = 4,
        .stop_ms = 100,
        .log = log_line,
    };
}

static struct backends *started(const struct backends_config *c)
{
    struct backends *b;
    assert_int_equal(backends_new(&b, c), 0);
    assert_int_equal(backends_start(b, loop, "ws://127.0.0.1:9000", "http://127.0.0.1:9000", NULL), 0);
    return b;
}

static void until(bool (*done)(const void *arg), const void *arg)
{
    uint64_t end = clock_ms() + WITHIN_MS;
    while (!done(arg)) {
        if (clock_ms() > end)
            fail_msg("it does not come; the log has: %s", logged);
        duet_loop_turn(loop, 20);
    }
}

static bool is_logged(const void *text)
{
    return strstr(logged, text) != NULL;
}

static const char *shown(const struct backends *b)
{
    static char text[300];
    struct buf out;
    buf_init(&out, NULL, 0);
    backends_put(b, &out);
    snprintf(text, sizeof(text), "%.*s", (int)out.len, out.at);
    buf_fini(&out);
    return text;
}

/* The number behind the first of these. */
static pid_t pid_after(const char *text)
{
    const char *at = strstr(logged, text);
    return at ? (pid_t)atol(at + strlen(text)) : 0;
}

static const struct backends_kind one[] = { { "app", "program", false }, { NULL } };

TEST(backends, have_their_environment_and_no_descriptor_of_ours)
{
    static const struct backends_kind two[] = { { "app", "program", false }, { "play", "program", true }, { NULL } };
    struct backends_config c = config(two);
    int leak = dup(STDOUT_FILENO);
    program("program", "echo \"<$DUET_URL> <$DUET_API> <$DUET_API_KEY> <$DUET_LISTEN> <$HOME_OF>\"\n"
                       "ls /proc/self/fd | tr '\\n' ' '; echo\nread nothing\n"
                       "sh -c 'kill -PIPE $$; echo deaf' || echo piped; exec sleep 60");
    setenv("HOME_OF", "duet", 1);
    setenv("DUET_LISTEN", "http://elsewhere", 1);
    struct backends *b;
    assert_int_equal(backends_new(&b, &c), 0);
    assert_string_equal(backends_url(b, "play"), "http://127.0.0.1:9001");
    assert_null(backends_url(b, "app"));
    assert_string_equal(shown(b), "{}");
    assert_int_equal(backends_start(b, loop, "ws://127.0.0.1:9000", "http://127.0.0.1:9000", "key"), 0);
    until(is_logged, "backend app: 0 1 2 3 \n"); /* 3 is what ls reads */
    until(is_logged, "backend app: <ws://127.0.0.1:9000> <http://127.0.0.1:9000> <key> <> <duet>\n");
    until(is_logged,
          "backend play: <ws://127.0.0.1:9000> <http://127.0.0.1:9000> <key> <ws://127.0.0.1:9001> <duet>\n");
    until(is_logged, "backend app: piped\n");
    assert_string_equal(shown(b), "{\"app\":{},\"play\":{\"port\":9001}}");
    backends_free(b);
    unsetenv("DUET_LISTEN");
    close(leak);
}

/* By no shell, which would have a mask of its own. */
TEST(backends, have_no_signal_blocked)
{
    struct backends_config c = config(one);
    program("program", "");
    FILE *f = fopen(path_of("program"), "w");
    fputs("#!/usr/bin/env -S grep -h SigBlk /proc/self/status\n", f);
    fclose(f);
    struct backends *b = started(&c);
    until(is_logged, "SigBlk:\t0000000000000000\n");
    backends_free(b);
}

TEST(backends, that_are_missing_are_one_line_each)
{
    static const struct backends_kind two[] = { { "app", "missing", true }, { "other", "folder", false }, { NULL } };
    struct backends_config c = config(two);
    mkdir(path_of("folder"), 0700); /* no program either */
    struct backends *b = started(&c);
    assert_null(backends_url(b, "app"));
    assert_string_equal(shown(b), "{}");
    assert_string_equal(logged, "backend_missing app: missing\nbackend_missing other: folder\n");
    backends_free(b);
}

TEST(backends, that_listen_need_a_port_behind_the_servers)
{
    static const struct backends_kind two[] = { { "app", "program", true }, { "last", "program", true }, { NULL } };
    struct backends_config c = config(two);
    program("program", "exec sleep 60");
    c.port = 0;
    struct backends *b = started(&c);
    assert_null(backends_url(b, "app"));
    assert_true(is_logged("backend_not_started app: "));
    backends_free(b);
    c.port = 65534;
    logged[0] = 0;
    b = started(&c);
    assert_string_equal(backends_url(b, "app"), "http://127.0.0.1:65535");
    assert_false(is_logged("backend_not_started app: "));
    assert_null(backends_url(b, "last"));
    assert_true(is_logged("backend_not_started last: "));
    backends_free(b);
}

TEST(backends, that_end_at_once_are_started_again_and_then_given_up)
{
    struct backends_config c = config(one);
    program("program", "printf 'no newline'; exit 3");
    struct backends *b = started(&c);
    until(is_logged, "ended at once 7 times");
    unsigned starts = 0;
    for (const char *at = logged; (at = strstr(at, "backend app: no newline\n")) != NULL; at++)
        starts++;
    assert_int_equal(starts, 7);
    assert_true(is_logged("backend_ended app: exit code 3; it is started again in 1 ms\n"));
    assert_true(is_logged("exit code 3; it is started again in 2 ms\n"));
    assert_true(is_logged("exit code 3; it is started again in 4 ms\n"));
    assert_false(is_logged("again in 8 ms\n"));
    assert_string_equal(shown(b), "{}");
    backends_free(b);
}

TEST(backends, that_die_by_a_signal_live_again)
{
    struct backends_config c = config(one);
    program("program", "echo pid $$; exec sleep 60");
    struct backends *b = started(&c);
    until(is_logged, "backend app: pid ");
    kill(pid_after("pid "), SIGUSR1);
    until(is_logged, "backend_ended app: signal 10;");
    memset(logged, 0, sizeof(logged));
    until(is_logged, "backend app: pid ");
    assert_string_equal(shown(b), "{\"app\":{}}");
    backends_free(b);
}

TEST(backends, are_asked_to_end_and_then_made_to)
{
    struct backends_config c = config(one);
    program("program", "trap 'echo asked; exit 0' TERM; echo pid $$; while :; do sleep 0.01; done");
    struct backends *b = started(&c);
    until(is_logged, "backend app: pid ");
    backends_stop(b);
    backends_stop(b);
    until(is_logged, "backend app: asked\n");
    backends_free(b);
    assert_false(is_logged("backend_ended"));
    assert_int_equal(kill(pid_after("pid "), 0), -1);

    program("program", "trap '' TERM; echo pid $$; while :; do sleep 0.01; done");
    logged[0] = 0;
    b = started(&c);
    until(is_logged, "backend app: pid ");
    uint64_t began = clock_ms();
    backends_free(b);
    assert_true(clock_ms() - began >= 100);
    assert_int_equal(kill(pid_after("pid "), 0), -1);
}

TEST(backends, that_print_long_lines_have_them_cut)
{
    struct backends_config c = config(one);
    program("program", "printf '%0900d' 7; sleep 60");
    struct backends *b = started(&c);
    until(is_logged, "backend app: 0");
    backends_free(b); /* which ends the last one */
    assert_int_equal(strlen(logged), 3 * strlen("backend app: \n") + 900);
}

TEST(backends, whose_start_fails_are_tried_again)
{
    struct backends_config c = config(one);
    program("program", "echo here; exec sleep 60");
    fork_errors = 2;
    struct backends *b = started(&c);
    until(is_logged, "backend app: here\n");
    assert_true(is_logged("backend_ended app: Resource temporarily unavailable; it is started again in 2 ms\n"));
    backends_free(b);

    FILE *f = fopen(path_of("program"), "w"); /* the kernel does not take it */
    fputs("no program", f);
    fclose(f);
    logged[0] = 0;
    b = started(&c);
    assert_true(is_logged("backend_ended app: Exec format error; it is started again in 1 ms\n"));
    backends_free(b);
}

TEST(backends, survive_each_allocation_that_fails)
{
    struct backends_config c = config(one);
    program("program", "exec sleep 60");
    for (unsigned long i = 0, asked = 1; i < asked; i++) {
        struct backends *b = NULL;
        mem_fail(i, false);
        int rc = backends_new(&b, &c);
        if (rc == 0)
            rc = backends_start(b, loop, "ws://x", "http://x", "key");
        asked = mem_fail_end();
        assert_true(rc == 0 || rc == DUET_ERR_NOMEM);
        backends_free(b);
    }
}

TEST(child, dies_with_whoever_started_it)
{
    int told[2];
    char *environment[] = { NULL };
    struct child c = { 0 };
    prepare();
    program("program", "exec sleep 60");
    assert_int_equal(pipe(told), 0);
    pid_t starter = fork();
    if (starter == 0) {
        if (child_start(&c, path_of("program"), environment) == 0 && write(told[1], &c.pid, sizeof(c.pid)) > 0)
            pause();
        _exit(1);
    }
    assert_int_equal(read(told[0], &c.pid, sizeof(c.pid)), sizeof(c.pid));
    struct pollfd at = { .fd = (int)syscall(SYS_pidfd_open, c.pid, 0), .events = POLLIN };
    assert_true(at.fd >= 0);
    assert_int_equal(poll(&at, 1, 0), 0);
    kill(starter, SIGKILL);
    assert_int_equal(poll(&at, 1, WITHIN_MS), 1);
    waitpid(starter, NULL, 0);
    close(at.fd);
    close(told[0]);
    close(told[1]);
}
