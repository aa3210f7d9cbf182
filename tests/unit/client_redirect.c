/* SPDX-License-Identifier: MIT */
/*
 * CLI-3: redirects, against a server of ours that answers as a test has written down. It has three origins: A and B
 * without TLS, and C with it. What each request had is a word of the trace: "A/path", then "+auth", "+cookie", "+key",
 * "+agent" for its fields. In a Location, @A, @B and @C stand for their host and port.
 */
#include "test.h"
#include "base/digest.h"
#include "base/mem.h"
#include "cert.h"
#include "client/client.h"
#include "turn.h"
#include <duet/duet.h>
#include <errno.h>
#include <openssl/sha.h>
#include <unistd.h>

static duet_loop *loop;
static duet_server *server;
static duet_tls *tls;
static duet_client *client;
static char folder[] = "/tmp/duet-redirect-XXXXXX", paths[4][64];

/* What a path is answered with; one that is not in the list opens. */
struct answer {
    const char *path;
    unsigned status; /* 0: nothing */
    const char *location, *second; /* NULL: none */
};

static const struct answer *script;
static char trace[1024];

static struct {
    unsigned opened, closed, failed, status;
    int error;
    bool final;
    char detail[200], url[200];
} told;

static void on_open(duet_conn *c)
{
    told.opened++;
    snprintf(told.url, sizeof(told.url), "%s", duet_client_url(duet_client_of(c)));
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)c, (void)why;
    told.closed++;
}

static void on_failed(duet_client *cl, const duet_failure *f)
{
    (void)cl;
    told.failed++;
    told.error = f->error;
    told.status = f->status;
    told.final = f->final;
    snprintf(told.detail, sizeof(told.detail), "%s", f->detail);
}

static void note(const char *text)
{
    size_t len = strlen(trace);
    snprintf(trace + len, sizeof(trace) - len, "%s", text);
}

static unsigned port(unsigned which)
{
    return (unsigned)duet_server_port(server, which);
}

/* "@B/x" with B's host and port. */
static void expand(const char *from, char *to, size_t size)
{
    size_t n = 0;
    for (; *from != 0 && n + 32 < size; from++) {
        if (*from == '@' && from[1] >= 'A' && from[1] <= 'C')
            n += (size_t)snprintf(to + n, size - n, "127.0.0.1:%u", port((unsigned)(*++from - 'A')));
        else if (*from == '%' && from[1] == 'p') /* C's port alone */
            n += (size_t)snprintf(to + n, size - n, "%u", port(from++ != NULL ? 2 : 0));
        else
            to[n++] = *from;
    }
    to[n] = 0;
}

static const char *field(const duet_request *r, const char *name)
{
    return duet_request_header(r, name);
}

static void on_upgrade(duet_http *x, const duet_request *r)
{
    static const char *const names[][2] = {
        { "Authorization", "+auth" }, { "Cookie", "+cookie" }, { "X-Api-Key", "+key" }, { "User-Agent", "+agent" },
    };
    static char location[2][10000];
    char where[] = " ?";
    const char *host = field(r, "Host");
    for (unsigned i = 0; i < 3; i++)
        if (host != NULL && strrchr(host, ':') != NULL && (unsigned)atoi(strrchr(host, ':') + 1) == port(i))
            where[1] = (char)('A' + i);
    note(trace[0] == 0 ? where + 1 : where);
    note(duet_request_path(r));
    if (duet_request_query(r) != NULL) {
        note("?");
        note(duet_request_query(r));
    }
    for (size_t i = 0; i < 4; i++)
        if (field(r, names[i][0]) != NULL)
            note(names[i][1]);
    for (const struct answer *a = script; a != NULL && a->path != NULL; a++) {
        if (strcmp(a->path, duet_request_path(r)) != 0)
            continue;
        if (a->status == 0)
            return;
        expand(a->location ? a->location : "", location[0], sizeof(location[0]));
        expand(a->second ? a->second : "", location[1], sizeof(location[1]));
        duet_header headers[] = { { a->location ? "Location" : NULL, location[0] },
                                  { a->second ? "Location" : NULL, location[1] },
                                  { NULL, NULL } };
        duet_http_reply(x, a->status, headers, "moved", 5);
        return;
    }
    duet_http_upgrade(x, NULL, NULL);
}

static void begin(const struct answer *answers)
{
    char why[200] = "";
    memset(&told, 0, sizeof(told));
    trace[0] = 0;
    client = NULL;
    script = answers;
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 4; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/%d", folder, i);
    cert_make(paths[0], paths[1], "IP:127.0.0.1,DNS:a.test");
    cert_make(paths[2], paths[3], "DNS:localhost");
    const char *certs[] = { paths[0], paths[2] }, *keys[] = { paths[1], paths[3] };
    assert_int_equal(duet_tls_new(&tls, certs, keys, 2, why), 0);
    static const char *const also[] = { "ws://127.0.0.1:0", "wss://127.0.0.1:0", NULL };
    duet_server_config c = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .listen_also = also, .tls = tls,
                             .on = { .upgrade = on_upgrade } };
    assert_int_equal(duet_loop_new(&loop), 0);
    if (duet_server_new(&server, &c, why) < 0)
        fail_msg("%s", why);
    assert_int_equal(duet_server_attach(server, loop), 0);
}

static void end(void)
{
    duet_client_free(client);
    duet_server_free(server);
    duet_tls_free(tls);
    duet_loop_free(loop);
    for (int i = 0; i < 4; i++)
        unlink(paths[i]);
    rmdir(folder);
}

static const duet_header headers[] = {
    { "Authorization", "Bearer x" }, { "Cookie", "a=b" }, { "X-Api-Key", "k" }, { "User-Agent", "me" }, { NULL, NULL },
};

static duet_client_config config(const char *from, unsigned redirects)
{
    static char url[200];
    expand(from, url, sizeof(url));
    return (duet_client_config){ DUET_CLIENT_CONFIG_INIT,
                                 .url = url,
                                 .on = { .open = on_open, .close = on_close },
                                 .failed = on_failed,
                                 .headers = headers,
                                 .ca = paths[0],
                                 .redirects = redirects };
}

static void follow(duet_client_config *c)
{
    char why[200];
    if (duet_connect(&client, loop, c, why) < 0)
        fail_msg("%s", why);
    TURN_UNTIL(told.opened || told.failed);
}

#define ALL "+auth+cookie+key+agent"

/* One answer to "/", and what comes of it. */
static const struct row {
    const char *from;
    struct answer answer;
    const char *trace; /* of the requests */
    const char *says;  /* part of the failure; NULL: it opens */
} rows[] = {
    /* Which are followed. */
    { "ws://@A/", { "/", 301, "/x", NULL }, "A/" ALL " A/x" ALL, NULL },
    { "ws://@A/", { "/", 302, "/x", NULL }, "A/" ALL " A/x" ALL, NULL },
    { "ws://@A/", { "/", 303, "/x", NULL }, "A/" ALL " A/x" ALL, NULL },
    { "ws://@A/", { "/", 307, "/x", NULL }, "A/" ALL " A/x" ALL, NULL },
    { "ws://@A/", { "/", 308, "/x", NULL }, "A/" ALL " A/x" ALL, NULL },
    { "ws://@A/", { "/", 300, "/x", NULL }, "A/" ALL, "answered 300 instead of 101" },
    { "ws://@A/", { "/", 305, "/x", NULL }, "A/" ALL, "answered 305 instead of 101" },
    { "ws://@A/", { "/", 306, "/x", NULL }, "A/" ALL, "answered 306 instead of 101" },
    { "ws://@A/", { "/", 309, "/x", NULL }, "A/" ALL, "answered 309 instead of 101" },
    { "ws://@A/", { "/", 401, "/x", NULL }, "A/" ALL, "answered 401 instead of 101" },
    /* Where to. */
    { "ws://@A/a/b?c", { "/a/b", 302, "d?e#f", NULL }, "A/a/b?c" ALL " A/a/d?e" ALL, NULL },
    { "ws://@A/a/b?c", { "/a/b", 302, "../d", NULL }, "A/a/b?c" ALL " A/d" ALL, NULL },
    { "ws://@A/", { "/", 302, "http://@A/x", NULL }, "A/" ALL " A/x" ALL, NULL },
    { "http://@A/", { "/", 302, "ws://@A/x", NULL }, "A/" ALL " A/x" ALL, NULL },
    { "wss://@C/", { "/", 302, "https://@C/x", NULL }, "C/" ALL " C/x" ALL, NULL },
    { "wss://@C/", { "/", 302, "/x", NULL }, "C/" ALL " C/x" ALL, NULL },
    { "wss://@C/", { "/", 302, "//@C/x", NULL }, "C/" ALL " C/x" ALL, NULL },
    /* Another origin is told no secrets. */
    { "ws://@A/", { "/", 302, "ws://@B/x", NULL }, "A/" ALL " B/x+agent", NULL },
    { "ws://@A/", { "/", 302, "//@B/x", NULL }, "A/" ALL " B/x+agent", NULL },
    { "ws://@A/", { "/", 302, "https://@C/x", NULL }, "A/" ALL " C/x+agent", NULL },
    { "ws://@A/", { "/", 302, "wss://@C/x", NULL }, "A/" ALL " C/x+agent", NULL },
    /* TLS is not given up. */
    { "wss://@C/", { "/", 302, "ws://@A/x", NULL }, "C/" ALL, "302, which is not followed: its Location gives up TLS" },
    { "wss://@C/", { "/", 302, "http://@A/x", NULL }, "C/" ALL, "gives up TLS" },
    /* Nor the protocol. */
    { "ws://@A/", { "/", 302, "file:///etc/passwd", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, "ftp://@B/", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, "unix:/run/x", NULL }, "A/" ALL, "a socket file" },
    { "ws://@A/", { "/", 302, "javascript:x", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, "ws://u:p@@B/", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, "ws://", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, "ws://h:0/", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, "//", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, "/a b", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, "127.0.0.1:80/x", NULL }, "A/" ALL, "no URL for WebSockets" },
    { "ws://@A/", { "/", 302, NULL, NULL }, "A/" ALL, "no Location, or two" },
    { "ws://@A/", { "/", 302, "/x", "/y" }, "A/" ALL, "no Location, or two" },
    /* Loops. */
    { "ws://@A/", { "/", 302, "/", NULL }, "A/" ALL " A/" ALL " A/" ALL " A/" ALL, "too many before" },
    { "ws://@A/", { "/", 302, "", NULL }, "A/" ALL " A/" ALL " A/" ALL " A/" ALL, "too many before" },
};

TEST(client_redirect, cli_3_each_location_has_one_end)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct answer answers[] = { rows[i].answer, { NULL } };
        begin(answers);
        duet_client_config c = config(rows[i].from, 3);
        follow(&c);
        if (strcmp(trace, rows[i].trace) != 0)
            fail_msg("row %zu: %s, not %s", i, trace, rows[i].trace);
        if (rows[i].says == NULL ? !told.opened : !told.failed || strstr(told.detail, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, told.detail);
        if (rows[i].says != NULL) {
            assert_int_equal(told.error, DUET_ERR_HANDSHAKE);
            assert_int_equal(told.status, rows[i].answer.status);
            assert_true(told.final);
        }
        end();
        assert_int_equal(told.opened + told.failed, 1);
    }
}

TEST(client_redirect, cli_3_none_is_followed_unless_it_is_asked_for)
{
    static const struct answer answers[] = { { "/", 302, "/x", NULL }, { NULL } };
    begin(answers);
    duet_client_config c = config("ws://@A/", 0);
    follow(&c);
    assert_string_equal(trace, "A/" ALL);
    assert_string_equal(told.detail, "the server answered 302 instead of 101");
    assert_int_equal(told.status, 302);
    end();
}

static const struct answer chain[] = {
    { "/0", 302, "/1", NULL }, { "/1", 302, "/2", NULL }, { "/2", 302, "/3", NULL }, { "/3", 302, "/4", NULL },
    { "/4", 302, "/5", NULL }, { "/5", 302, "/6", NULL }, { "/6", 302, "/7", NULL }, { NULL },
};

TEST(client_redirect, cli_3_as_many_are_followed_as_were_asked_for_and_five_at_most)
{
    for (unsigned most = 1; most <= 5; most++)
        for (int from = 7 - (int)most; from >= 6 - (int)most && from >= 0; from--) {
            char url[32], last[32];
            begin(chain);
            snprintf(url, sizeof(url), "ws://@A/%d", from);
            duet_client_config c = config(url, most);
            c.headers = NULL;
            follow(&c);
            bool reached = 7 - from <= (int)most;
            assert_int_equal(told.opened, reached);
            snprintf(last, sizeof(last), "A/%d", reached ? 7 : from + (int)most);
            assert_string_equal(trace + strlen(trace) - 3, last);
            if (reached)
                assert_string_equal(told.url + strlen(told.url) - 2, "/7");
            end();
        }
    char why[200];
    begin(NULL);
    duet_client_config c = config("ws://@A/", 6);
    assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
    client = NULL;
    end();
}

TEST(client_redirect, cli_3_a_url_of_less_than_8_kib_is_followed)
{
    static char location[8192];
    static const struct answer answers[] = { { "/", 302, location, NULL }, { NULL } };
    for (size_t len = 8190; len <= 8192; len++) {
        char origin[64];
        begin(answers);
        duet_client_config c = config("ws://@A/", 1);
        expand("ws://@A", origin, sizeof(origin));
        memset(location, 'x', sizeof(location));
        location[0] = '/';
        location[len - strlen(origin)] = 0;
        follow(&c);
        assert_int_equal(told.opened, len < 8192);
        if (len == 8192)
            assert_non_null(strstr(told.detail, "too long"));
        end();
    }
}

TEST(client_redirect, cli_3_the_time_is_that_of_one_attempt)
{
    static const struct answer answers[] = { { "/", 302, "/silent", NULL }, { "/silent", 0, NULL, NULL }, { NULL } };
    begin(answers);
    duet_client_config c = config("ws://@A/", 1);
    c.open_ms = 300;
    follow(&c);
    assert_int_equal(told.error, DUET_ERR_TIMEOUT);
    assert_int_equal(told.status, 0);
    end();
}

TEST(client_redirect, cli_3_secrets_that_were_dropped_do_not_come_back)
{
    static const struct answer answers[] = {
        { "/", 302, "ws://@B/1", NULL }, { "/1", 302, "ws://@A/2", NULL }, { "/2", 302, "/3", NULL }, { NULL }
    };
    begin(answers);
    duet_client_config c = config("ws://@A/", 5);
    follow(&c);
    assert_string_equal(trace, "A/" ALL " B/1+agent A/2+agent A/3+agent");
    end();
}

/* The next attempt is a new one: from the URL that was given, with all that goes there. */
TEST(client_redirect, cli_3_another_attempt_begins_at_home)
{
    static const struct answer answers[] = {
        { "/", 302, "ws://@B/busy", NULL }, { "/busy", 503, NULL, NULL }, { NULL }
    };
    begin(answers);
    duet_client_config c = config("ws://@A/", 1);
    c.retry = true;
    c.retry_first_ms = c.retry_most_ms = 1;
    follow(&c);
    assert_int_equal(told.status, 503);
    assert_false(told.final);
    script = NULL;
    while (!told.opened)
        duet_loop_turn(loop, 10);
    assert_string_equal(trace, "A/" ALL " B/busy+agent A/" ALL);
    end();
    assert_int_equal(told.failed, 1);
}

TEST(client_redirect, tls_9_the_name_to_verify_is_the_urls_own)
{
    static const struct answer answers[] = { { "/", 302, "wss://localhost:%p/x", NULL },
                                             { "/same", 302, "wss://127.0.0.1:%p/y", NULL }, { NULL } };
    begin(answers);
    duet_client_config c = config("wss://@C/", 1);
    c.tls_name = "a.test";
    c.insecure = false;
    follow(&c);
    assert_int_equal(told.error, DUET_ERR_TLS); /* localhost's own certificate comes, which is not in `ca` */
    assert_string_equal(trace, "C/" ALL);
    duet_client_free(client);
    memset(&told, 0, sizeof(told));
    c = config("wss://@C/same", 1);
    c.tls_name = "a.test";
    follow(&c);
    assert_int_equal(told.opened, 1);
    end();
}

static void pin_of(const char *path, char pin[TLS_PIN_TEXT])
{
    unsigned char digest[32], *der = NULL;
    FILE *f = fopen(path, "r");
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    SHA256(der, (size_t)len, digest);
    base64_encode(pin, digest, sizeof(digest));
    OPENSSL_free(der);
    X509_free(x);
}

TEST(client_redirect, tls_9_pins_hold_wherever_it_is_led)
{
    static const struct answer answers[] = { { "/", 302, "wss://localhost:%p/x", NULL }, { NULL } };
    for (int both = 0; both < 2; both++) {
        char first[TLS_PIN_TEXT], second[TLS_PIN_TEXT];
        begin(answers);
        pin_of(paths[0], first);
        pin_of(paths[2], second);
        const char *const pins[] = { first, both ? second : NULL, NULL };
        duet_client_config c = config("wss://@C/", 1);
        c.insecure = true;
        c.pins = pins;
        follow(&c);
        assert_int_equal(told.opened, both);
        if (!both)
            assert_non_null(strstr(told.detail, second));
        end();
    }
}

/* Each way has its session: the server's own, and the stranger's. */
TEST(client_redirect, a_client_that_comes_back_resumes_where_it_was_led_too)
{
    static const struct answer answers[] = { { "/", 302, "wss://localhost:%p/x", NULL }, { NULL } };
    begin(answers);
    duet_client_config c = config("wss://@C/", 1);
    c.insecure = true;
    c.retry = true;
    c.retry_first_ms = c.retry_most_ms = 1;
    follow(&c);
    assert_false(duet_tls_resumed(duet_client_conn(client)));
    for (int i = 0; i < 20; i++) /* its ticket comes */
        duet_loop_turn(loop, 1);
    conn_kill(duet_client_conn(client), DUET_ERR_EOF);
    while (told.opened < 2)
        duet_loop_turn(loop, 10);
    assert_true(duet_tls_resumed(duet_client_conn(client)));
    end();
}

TEST(client_redirect, cli_13_freed_at_each_step_it_has_one_end)
{
    static const struct answer answers[] = { { "/", 302, "wss://@C/x", NULL }, { "/x", 302, "/y", NULL }, { NULL } };
    unsigned opened = 0, turns = 0;
    for (; !opened; turns++) {
        begin(answers);
        duet_client_config c = config("ws://@A/", 2);
        assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
        for (unsigned i = 0; i < turns; i++)
            duet_loop_turn(loop, 1);
        opened = told.opened;
        duet_client_free(client);
        client = NULL;
        assert_int_equal(told.failed + told.closed, 1);
        end();
        assert_int_equal(told.failed + told.closed, 1);
    }
    assert_true(turns > 8);
}

static duet_timer *timer;

static void free_when_led_on(void *arg)
{
    (void)arg;
    if (client->next_url == NULL) {
        duet_timer_set(timer, 0);
        return;
    }
    duet_client_free(client);
    client = NULL;
}

TEST(client_redirect, cli_13_freed_in_the_turn_in_which_it_is_led_on)
{
    static const struct answer answers[] = { { "/", 302, "/x", NULL }, { NULL } };
    begin(answers);
    duet_client_config c = config("ws://@A/", 1);
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    timer = duet_timer_new(loop, free_when_led_on, NULL);
    duet_timer_set(timer, 0);
    for (int i = 0; i < 1000 && client != NULL; i++)
        duet_loop_turn(loop, 10);
    assert_null(client);
    for (int i = 0; i < 10; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(told.failed, 1);
    assert_int_equal(told.error, DUET_ERR_CLOSED);
    assert_string_equal(trace, "A/" ALL);
    duet_timer_free(timer);
    end();
}

TEST(client_redirect, mem_1_each_allocation_fails_once)
{
    static const struct answer answers[] = { { "/", 302, "wss://@C/x", NULL }, { "/x", 302, "/y", NULL }, { NULL } };
    for (unsigned long after = 0, asked_for = 1; after <= asked_for; after++) {
        begin(answers);
        duet_client_config c = config("ws://@A/", 2);
        c.retry = true;
        c.retry_first_ms = c.retry_most_ms = 1;
        c.open_ms = 500; /* the server may have had no memory for its answer */
        mem_fail(after, false);
        int rc = duet_connect(&client, loop, &c, NULL);
        for (int i = 0; i < 4000 && rc == 0 && !told.opened; i++)
            duet_loop_turn(loop, 5);
        asked_for = mem_fail_end();
        if (rc < 0)
            client = NULL;
        else if (!told.opened) /* the second attempt is whole */
            fail_msg("allocation %lu: %s", after, told.detail);
        end();
    }
}

/* The way to A is straight, to B through a proxy that nobody listens for; the next attempt is at A again. */
TEST(client_redirect, each_hop_has_the_proxy_that_the_environment_names)
{
    static const struct answer answers[] = { { "/", 302, "ws://@B/x", NULL }, { NULL } };
    char straight[32];
    begin(answers);
    snprintf(straight, sizeof(straight), "127.0.0.1:%u", port(0));
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("no_proxy", straight, 1);
    duet_client_config c = config("ws://@A/", 3);
    c.proxy_env = c.retry = true;
    c.retry_first_ms = c.retry_most_ms = 1;
    follow(&c);
    assert_int_equal(told.error, -ECONNREFUSED);
    assert_non_null(strstr(told.detail, "the proxy 127.0.0.1"));
    assert_false(told.final);
    told.failed = 0;
    TURN_UNTIL(told.opened || told.failed);
    assert_string_equal(trace, "A/" ALL " A/" ALL);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    end();
}

/* One that is no way to go stays none: it is not tried again. */
TEST(client_redirect, a_proxy_or_a_host_that_cannot_be_is_final)
{
    static char far[300] = "ws://";
    static const struct answer answers[][2] = { { { "/", 302, "ws://@B/x", NULL }, { NULL } },
                                                { { "/", 302, far, NULL }, { NULL } } };
    memset(far + 5, 'h', 256);
    for (int i = 0; i < 2; i++) {
        char straight[32];
        begin(answers[i]);
        snprintf(straight, sizeof(straight), "127.0.0.1:%u", port(0));
        setenv("http_proxy", "ftp://me:secret@127.0.0.1", 1);
        setenv("no_proxy", straight, 1);
        duet_client_config c = config("ws://@A/", 3);
        c.proxy_env = c.retry = true;
        follow(&c);
        assert_int_equal(told.error, DUET_ERR_URL);
        assert_non_null(strstr(told.detail, i == 0 ? "http_proxy in the environment" : "longer than 255"));
        assert_null(strstr(told.detail, "secret"));
        assert_true(told.final);
        unsetenv("http_proxy");
        unsetenv("no_proxy");
        end();
    }
}
