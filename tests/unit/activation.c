/* SPDX-License-Identifier: MIT */
/* Sockets that were passed, by what the environment says: sd_listen_fds(3). */
#include "cmd/activation.h"
#include "base/mem.h"
#include "test.h"
#include <duet/error.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct activation a;
static char why[ACTIVATION_WHY];

/* The environment as systemd makes it for us, with `count` descriptors open from 3 on. */
static int take(const char *count, const char *names)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    if (names != NULL)
        setenv("LISTEN_FDNAMES", names, 1);
    why[0] = 0;
    return activation_take(&a, why);
}

static void open_up_to(int last)
{
    for (int fd = 3; fd <= last; fd++)
        assert_int_equal(dup2(0, fd), fd);
}

static void close_from(int first)
{
    for (int fd = first; fd < 3 + ACTIVATION_MOST + 1; fd++)
        close(fd);
}

/* "fd:3 ws://a", or the complaint. */
static const char *listens(const char *const *given)
{
    static char out[400];
    int rc = activation_listen(&a, given, why);
    if (rc < 0) {
        assert_int_equal(rc, DUET_ERR_INVALID);
        return why;
    }
    out[0] = 0;
    for (int i = 0; a.urls[i] != NULL; i++)
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i > 0 ? " " : "", a.urls[i]);
    return out;
}

#define GIVEN(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* What three sockets become: web, web and admin. */
static void expect(const char *const *given, const char *wanted)
{
    assert_int_equal(take("3", "web:web:admin"), 0);
    const char *got = listens(given);
    if (strstr(got, wanted) == NULL || (wanted[0] == 'f' && strcmp(got, wanted) != 0))
        assert_string_equal(got, wanted);
    activation_fini(&a);
}

TEST(activation, takes_what_is_for_this_process_and_forgets_it)
{
    open_up_to(4);
    fcntl(3, F_SETFD, 0);
    assert_int_equal(take("2", "web"), 0);
    assert_int_equal(a.count, 2);
    assert_string_equal(a.names[0], "web");
    assert_string_equal(a.names[1], "");
    assert_int_equal(fcntl(3, F_GETFD), FD_CLOEXEC);
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
    activation_fini(&a);
    assert_int_equal(activation_take(&a, why), 0);
    assert_int_equal(a.count, 0);
    activation_fini(&a);
    close_from(3);
}

TEST(activation, what_a_parent_left_in_the_environment_is_not_ours)
{
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(activation_take(&a, why), 0);
    assert_int_equal(a.count, 0);
    assert_null(getenv("LISTEN_FDS"));
    setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(activation_take(&a, why), 0);
    assert_int_equal(a.count, 0);
}

TEST(activation, a_promise_that_is_not_kept_is_refused)
{
    static const char *const counts[] = { "", "x", "-1", "1x", "17", "99999999999999999999" };
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        assert_int_equal(take(counts[i], NULL), DUET_ERR_INVALID);
        assert_non_null(strstr(why, "at most 16 sockets"));
        activation_fini(&a);
    }
    close_from(3);
    open_up_to(3);
    assert_int_equal(take("2", NULL), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "LISTEN_FDS=2, but descriptor 4 is not open"));
    activation_fini(&a);
    open_up_to(18);
    assert_int_equal(take("16", NULL), 0);
    assert_int_equal(a.count, 16);
    activation_fini(&a);
    close_from(3);
}

TEST(activation, a_url_names_a_socket_or_nothing_is_named_and_all_are_listened_on)
{
    open_up_to(5);
    expect(GIVEN("ws://:1"), "ws://:1");
    expect(GIVEN(NULL), "fd:3 fd:4 fd:5");
    expect(GIVEN("fd+tls:web", "ws://:1", "fd:admin"), "fd+tls:3 fd+tls:4 ws://:1 fd:5");
    expect(GIVEN("FD:4", "fd:3", "fd:5"), "fd:4 fd:3 fd:5");
    expect(GIVEN("fd:web"), "descriptor 5 (admin) was passed and nothing listens on it: --listen fd:admin");
    expect(GIVEN("fd:web", "fd:4"), "descriptor 4 (web) is named twice");
    expect(GIVEN("fd:other"), "\"fd:other\": no socket of that name was passed, but: web, web, admin;");
    expect(GIVEN("fd:"), "\"fd:\": no socket of that name");
    expect(GIVEN("fd:web", "fd:admin", "fd:77"), "fd:3 fd:4 fd:5 fd:77"); /* the server looks at it */
    assert_int_equal(take("1", NULL), 0);
    assert_non_null(strstr(listens(GIVEN("fd:")), "\"fd:\": no socket of that name was passed, but: ?;"));
    activation_fini(&a);
    close_from(3);
}

TEST(activation, without_sockets_a_name_is_refused_and_all_else_stays)
{
    assert_int_equal(activation_take(&a, why), 0);
    assert_string_equal(listens(GIVEN("fd:web")),
                        "\"fd:web\": no socket was passed; start it by systemd's .socket unit, "
                        "or listen on an address");
    activation_fini(&a);
    assert_string_equal(listens(GIVEN("ws://a", "fd:3")), "ws://a fd:3");
    activation_fini(&a);
    assert_string_equal(listens(GIVEN(NULL)), "");
    activation_fini(&a);
}

TEST(activation, operators_and_the_api_have_one_socket_each)
{
    open_up_to(5);
    const char *url = "fd:admin";
    assert_int_equal(take("3", "web:web:admin"), 0);
    assert_int_equal(activation_one(&a, &url, why), 0);
    assert_string_equal(url, "fd:5");
    assert_string_equal(listens(GIVEN("fd:web")), "fd:3 fd:4");
    activation_fini(&a);
    const char *api = "fd:admin";
    url = api;
    assert_int_equal(take("3", "web:web:admin"), 0);
    assert_int_equal(activation_one(&a, &url, why), 0);
    assert_int_equal(activation_one(&a, &api, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "named twice"));
    activation_fini(&a);
    url = "fd:web";
    assert_int_equal(take("3", "web:web:admin"), 0);
    assert_int_equal(activation_one(&a, &url, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "2 sockets have this name"));
    activation_fini(&a);
    url = "fd:x";
    assert_int_equal(activation_one(&a, &url, why), DUET_ERR_INVALID);
    url = "http://a";
    assert_int_equal(activation_one(&a, &url, why), 0);
    assert_string_equal(url, "http://a");
    url = NULL;
    assert_int_equal(activation_one(&a, &url, why), 0);
    assert_null(url);
    activation_fini(&a);
    close_from(3);
}

TEST(activation, for_a_look_each_name_is_taken_for_a_socket)
{
    static const char *const given[] = { "fd+tls:web", "http://a", "fd:4", "FD:admin", NULL };
    const char *url = given[3];
    assert_int_equal(activation_take(&a, why), 0);
    for (int i = 0; given[i] != NULL; i++)
        activation_assume(&a, given[i]);
    activation_assume(&a, "fd:web");
    activation_assume(&a, "fd:");
    assert_int_equal(a.count, 2);
    assert_int_equal(activation_one(&a, &url, why), 0);
    assert_string_equal(url, "fd:4");
    assert_ptr_equal(activation_said(&a, url), given[3]);
    assert_string_equal(listens(GIVEN(given[0], given[1])), "fd+tls:3 http://a");
    assert_ptr_equal(activation_said(&a, a.urls[0]), given[0]);
    assert_ptr_equal(activation_said(&a, a.urls[1]), given[1]);
    activation_fini(&a);
    /* 16, and no more. */
    static char names[17][16];
    for (int i = 0; i < 17; i++) {
        snprintf(names[i], sizeof(names[i]), "fd:n%d", i);
        activation_assume(&a, names[i]);
        assert_int_equal(a.count, i < 16 ? i + 1 : 16);
    }
    activation_fini(&a);
    /* What was passed is all there is. */
    open_up_to(3);
    assert_int_equal(take("1", "other"), 0);
    activation_assume(&a, "fd:web");
    const char *web = "fd:web";
    assert_non_null(strstr(listens(GIVEN(web)), "no socket of that name was passed, but: other"));
    assert_ptr_equal(a.blame, web);
    activation_fini(&a);
    assert_int_equal(take("1", "other"), 0);
    assert_string_equal(listens(GIVEN(NULL)), "fd:3");
    assert_null(activation_said(&a, a.urls[0]));
    activation_fini(&a);
    close_from(3);
}

TEST(activation, each_allocation_may_fail)
{
    open_up_to(3);
    mem_fail(0, false);
    assert_int_equal(take("1", "web"), DUET_ERR_NOMEM);
    mem_fail_end();
    activation_fini(&a);
    assert_int_equal(take("1", "web"), 0);
    mem_fail(0, false);
    assert_int_equal(activation_listen(&a, GIVEN(NULL), why), DUET_ERR_NOMEM);
    mem_fail_end();
    activation_fini(&a);
    close_from(3);
}
