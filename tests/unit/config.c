/* SPDX-License-Identifier: MIT */
/* What the options do to a whole server: who may come, what is refused at the start, and the end. */
#include "plain.h"
#include "base/mem.h"
#include <sys/un.h>

#define FROM(origin) "GET / HTTP/1.1\r\nHost: own.example\r\n" UPGRADE "Origin: " origin "\r\n\r\n"

static void judge(duet_server_config *config, const char *const (*rows)[2], size_t count)
{
    serve(config);
    for (size_t i = 0; i < count; i++)
        one_request(rows[i][0], rows[i][1], rows[i][1][0] != '1');
    serve_no_more();
}

#define JUDGE(rows, ...) judge(&(duet_server_config){ __VA_ARGS__ }, rows, sizeof(rows) / sizeof(*(rows)))

TEST(config, web_1_only_its_own_pages_may_connect)
{
    static const char *const rows[][2] = {
        { FROM("http://own.example"), "101" },
        { FROM("http://own.example:80"), "101" },
        { FROM("HTTP://Own.Example"), "101" },
        { FROM("https://own.example"), "403" },
        { FROM("http://own.example:8080"), "403" },
        { FROM("http://sub.own.example"), "403" },
        { FROM("http://127.0.0.1"), "403" },
        { FROM("http://localhost"), "403" },
        { FROM("null"), "403" },
        { FROM(""), "403" },
        { FROM("http://own.example/"), "403" },
        { "GET / HTTP/1.1\r\nHost: own.example\r\n" UPGRADE "\r\n", "101" },
    };
    JUDGE(rows, .threads = 1);
}

TEST(config, web_4_listed_origins_are_compared_by_component)
{
    static const char *const origins[] = { "https://a.example", "https://*.b.example", "http://c.example:81", "null",
                                           NULL };
    static const char *const rows[][2] = {
        { FROM("https://a.example"), "101" },
        { FROM("https://a.example:443"), "101" },
        { FROM("http://a.example"), "403" },
        { FROM("https://evil-a.example"), "403" },
        { FROM("https://a.example.evil"), "403" },
        { FROM("https://x.b.example"), "101" },
        { FROM("https://b.example"), "403" },
        { FROM("https://x.y.b.example"), "403" },
        { FROM("http://c.example:81"), "101" },
        { FROM("http://c.example"), "403" },
        { FROM("null"), "101" },
        { FROM("http://own.example"), "101" },
    };
    JUDGE(rows, .origins = origins);
}

TEST(config, web_2_every_page_or_only_pages_may_be_let_in)
{
    static const char *const any[] = { "*", NULL };
    static const char *const rows[][2] = {
        { FROM("https://evil.example"), "101" },
        { FROM("null"), "101" },
        { "GET / HTTP/1.1\r\nHost: own.example\r\n" UPGRADE "\r\n", "403" },
    };
    JUDGE(rows, .origins = any, .require_origin = true);
}

/* One line of what to do, which names what was given. */
static void refused(duet_server_config config, int error, const char *word)
{
    duet_server *s;
    char why[200] = "";
    config.size = sizeof(config);
    assert_int_equal(duet_server_new(&s, &config, why), error);
    assert_non_null(strstr(why, word));
    assert_null(strchr(why, '\n'));
    assert_int_equal(duet_server_new(&s, &config, NULL), error);
}

TEST(config, what_cannot_work_is_refused_at_the_start)
{
    static const char *const bad_origin[] = { "example.com", NULL }, *const bad_proxy[] = { "10.1.0.0/8", NULL };
    const char *url = "ws://127.0.0.1:0";
    duet_server *s;
    refused((duet_server_config){ .threads = 1 }, DUET_ERR_INVALID, "ws://127.0.0.1:9001");
    refused((duet_server_config){ .listen = "gopher://x" }, DUET_ERR_URL, "gopher://x");
    refused((duet_server_config){ .listen = "wss://127.0.0.1:0" }, DUET_ERR_TLS, "certificate");
    refused((duet_server_config){ .listen = url, .origins = bad_origin }, DUET_ERR_INVALID, "example.com");
    refused((duet_server_config){ .listen = url, .trusted_proxies = bad_proxy }, DUET_ERR_INVALID, "10.1.0.0/8");
    refused((duet_server_config){ .listen = url, .proxy_protocol = true }, DUET_ERR_INVALID, "trusted");
    refused((duet_server_config){ .listen = url, .drain_code = 1005 }, DUET_ERR_INVALID, "drain_code");
    refused((duet_server_config){ .listen = url, .threads = 257 }, DUET_ERR_INVALID, "256");
    refused((duet_server_config){ .listen = url, .head_max = 60 * 1024 + 1 }, DUET_ERR_INVALID, "60 KiB");
    refused((duet_server_config){ .listen = url, .fields_max = 201 }, DUET_ERR_INVALID, "200");
    assert_int_equal(duet_server_new(&s, &(duet_server_config){ .listen = url }, NULL), DUET_ERR_INVALID);
}

/* The same line by both, and whose text it is; NULL: nobody's. */
static void blamed(duet_server_config config, int error, const char *word, const char *text)
{
    duet_server *s;
    char why[200] = "", same[200] = "";
    const char *whose = NULL;
    config.size = sizeof(config);
    assert_int_equal(duet_server_check(&config, why), error);
    assert_int_equal(duet_server_check(&config, NULL), error);
    config.blame = &whose;
    assert_int_equal(duet_server_check(&config, why), error);
    assert_non_null(strstr(why, word));
    assert_ptr_equal(whose, text);
    whose = NULL;
    assert_int_equal(duet_server_new(&s, &config, same), error);
    assert_ptr_equal(whose, text);
    assert_string_equal(why, same);
}

TEST(config, what_is_refused_is_known_without_a_server_and_blamed)
{
    static const char *const origins[] = { "https://a.example", "example.com", NULL };
    static const char *const proxies[] = { "unix", "10.1.0.0/8", NULL };
    static const char *const also[] = { "ws://127.0.0.1:0", "ws://127.0.0.1:0/x", NULL };
    static const char root[] = "/nonexistent";
    const char *url = "ws://127.0.0.1:0", *bad = "gopher://x", *secure = "wss://127.0.0.1:0", *far = "ws://192.0.2.1:0";
    blamed((duet_server_config){ .threads = 1 }, DUET_ERR_INVALID, "ws://127.0.0.1:9001", NULL);
    blamed((duet_server_config){ .listen_also = also + 2 }, DUET_ERR_INVALID, "ws://127.0.0.1:9001", NULL);
    blamed((duet_server_config){ .listen = bad }, DUET_ERR_URL, "gopher://x", bad);
    blamed((duet_server_config){ .listen = url, .listen_also = also }, DUET_ERR_URL, "path", also[1]);
    blamed((duet_server_config){ .listen = secure }, DUET_ERR_TLS, "certificate", secure);
    blamed((duet_server_config){ .listen = far }, -EADDRNOTAVAIL, "192.0.2.1", far);
    blamed((duet_server_config){ .listen = url, .origins = origins }, DUET_ERR_INVALID, "example.com", origins[1]);
    blamed((duet_server_config){ .listen = url, .trusted_proxies = proxies }, DUET_ERR_INVALID, "10.1.0", proxies[1]);
    blamed((duet_server_config){ .listen = url, .root = root }, -ENOENT, "folder", root);
    blamed((duet_server_config){ .listen = url, .proxy_protocol = true }, DUET_ERR_INVALID, "trusted", NULL);
    blamed((duet_server_config){ .listen = url, .drain_code = 1005 }, DUET_ERR_INVALID, "drain_code", NULL);
    assert_int_equal(duet_server_check(&(duet_server_config){ .listen = url }, NULL), DUET_ERR_INVALID);
    assert_int_equal(duet_server_check(NULL, NULL), DUET_ERR_INVALID);
    duet_server_config good = { DUET_SERVER_CONFIG_INIT, .listen = url,
                                .listen_also = (const char *[]){ "fd:3", NULL } };
    assert_int_equal(duet_server_check(&good, NULL), 0);
}

TEST(config, what_listens_twice_is_known_without_a_server)
{
    static const char *const rows[][2] = {
        { "ws://127.0.0.1:9001", "http://127.0.0.1:9001" },
        { "ws://:9001", "ws://127.0.0.1:9001" },
        { "ws://localhost:9001", "ws://LOCALHOST:9001" },
        { "unix:/tmp/a", "unix:/tmp/a" },
    };
    char why[200];
    const char *whose = NULL;
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .blame = &whose };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *also[] = { "ws://127.0.0.2:9001", rows[i][1], NULL };
        config.listen = rows[i][0];
        config.listen_also = also + (i == 1); /* everywhere is there, too */
        assert_int_equal(duet_server_check(&config, why), DUET_ERR_INVALID);
        assert_non_null(strstr(why, "another URL listens there"));
        assert_ptr_equal(whose, rows[i][1]);
        also[1] = "ws://127.0.0.1:9002";
        assert_int_equal(duet_server_check(&config, why), 0);
    }
}

TEST(config, at_most_16_urls_are_listened_on)
{
    const char *also[18] = { NULL };
    char why[200];
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen_also = also };
    for (int i = 0; i < 17; i++) {
        assert_int_equal(i == 0 ? 0 : duet_server_check(&config, why), 0);
        also[i] = i % 2 ? "ws://127.0.0.1:0" : "ws://:0";
    }
    assert_int_equal(duet_server_check(&config, why), DUET_ERR_INVALID);
    assert_string_equal(why, "cannot listen on more than 16 sockets");
}

TEST(config, is_judged_without_memory_or_with_it)
{
    static const char *const origins[] = { "https://a.example", NULL }, *const proxies[] = { "::1", NULL };
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .origins = origins,
                                  .trusted_proxies = proxies, .root = "/" };
    for (unsigned long n = 0;; n++) {
        mem_fail(n, false);
        int rc = duet_server_check(&config, NULL);
        bool enough = mem_fail_end() <= n;
        assert_int_equal(rc, enough ? 0 : DUET_ERR_NOMEM);
        if (enough)
            break;
    }
}

TEST(config, a_busy_port_is_refused_with_a_line)
{
    char url[64];
    serve(&(duet_server_config){ .threads = 1 });
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", duet_server_port(server, 0));
    refused((duet_server_config){ .listen = url }, -EADDRINUSE, strrchr(url, ':') + 1);
    const char *whose = NULL;
    duet_server *s;
    duet_server_config busy = { DUET_SERVER_CONFIG_INIT, .listen = url, .blame = &whose };
    assert_int_equal(duet_server_new(&s, &busy, NULL), -EADDRINUSE);
    assert_ptr_equal(whose, url);
    assert_int_equal(duet_server_check(&busy, NULL), 0); /* it may be the server's own */
    refused((duet_server_config){ .listen = url, .threads = 4 }, -EADDRINUSE, strrchr(url, ':') + 1);
    serve_no_more();
}

/* A program that was built with an older header has a shorter struct: what it does not know is at its default. */
TEST(config, an_older_program_s_struct_is_shorter)
{
    static const duet_route routes[] = { { .path = NULL } };
    duet_server_config config = { .size = offsetof(duet_server_config, routes),
                                  .listen = "ws://127.0.0.1:0",
                                  .routes = routes };
    assert_int_equal(duet_loop_new(&loop), 0);
    assert_int_equal(duet_server_new(&server, &config, NULL), 0);
    assert_int_equal(duet_server_attach(server, loop), 0);
    one_request("GET / HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n", "101", false);
    serve_no_more();
}

static unsigned argued;

static void hear(duet_conn *c)
{
    argued += *(unsigned *)duet_server_arg(duet_server_of(c));
}

TEST(config, it_listens_wherever_it_is_told_to)
{
    static unsigned arg = 5;
    static struct client c;
    char path[64], url[80];
    snprintf(path, sizeof(path), "/tmp/duet-config-%d.sock", (int)getpid());
    snprintf(url, sizeof(url), "unix:%s", path);
    const char *also[] = { "http://[::1]:0", url, NULL };
    serve(&(duet_server_config){ .listen_also = also, .on.open = hear, .arg = &arg });
    memset(also, 0, sizeof(also)); /* borrowed for duet_server_new() only */
    assert_int_not_equal(duet_server_port(server, 0), 0);
    assert_int_not_equal(duet_server_port(server, 1), 0);
    assert_int_equal(duet_server_port(server, 2), 0);
    assert_int_equal(duet_server_port(server, 3), 0);
    argued = 0;
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)duet_server_port(server, 0)) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t)duet_server_port(server, 1)),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        strcpy(un.sun_path, path);
        const struct sockaddr *to[] = { (void *)&v4, (void *)&v6, (void *)&un };
        const socklen_t len[] = { sizeof(v4), sizeof(v6), sizeof(un) };
        memset(&c, 0, sizeof(c));
        c.fd = socket(to[i]->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(c.fd, to[i], len[i]), 0);
        say(&c, "GET / HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n");
        expect_status(&c, "101", false);
        close(c.fd);
    }
    assert_int_equal(argued, 3 * arg);
    serve_no_more();
    unlink(path);
}

/* The code and the time of a drain; a peer that does not answer its Close does not keep it longer. */
TEST(config, ops_1_a_drain_has_its_code_and_its_time)
{
    static struct client c;
    serve(&(duet_server_config){ .drain_ms = 300, .drain_code = 1012, .close_ms = 60000 });
    dial(&c);
    say(&c, "GET / HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n");
    expect_status(&c, "101", false);
    assert_false(duet_server_draining(server));
    duet_server_drain(server);
    assert_true(duet_server_draining(server));
    uint64_t from = duet_loop_now_ms(loop);
    expect(&c, "\x88\x0c\x03\xf4"
               "going away");
    while (!duet_server_over(server) && duet_loop_now_ms(loop) - from < 5000)
        duet_loop_turn(loop, 10);
    assert_in_range(duet_loop_now_ms(loop) - from, 200, 2000);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)duet_server_port(server, 0)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
    close(fd);
    close(c.fd);
    serve_no_more();
}
