/* SPDX-License-Identifier: MIT */
/* HUB-15: what a backend's answer is, byte by byte where that counts; what it is asked is text that it can read. */
#include "held_hooks.h"
#include "base/utf8.h"
#include "wire/backend.h"
#include "wire/wire.h"

static struct backend_answer read_text(const char *text)
{
    static char copy[8192]; /* the answer borrows from it */
    struct backend_answer a;
    strcpy(copy, text);
    backend_read(&a, &(struct hook_answer){ copy, strlen(copy) });
    return a;
}

TEST(backend, answers_are_one_of_four_things)
{
    static const struct {
        const char *text;
        enum backend_kind kind;
        int code;
        const char *said;
    } rows[] = {
        { "", BACKEND_NOTHING, 0, "" },
        { "null", BACKEND_NOTHING, 0, "" },
        { "[{}]", BACKEND_NOTHING, 0, "" },
        { "{}", BACKEND_NOTHING, 0, "" },
        { "{} {}", BACKEND_NOTHING, 0, "" },
        { "{\"result\":null}", BACKEND_NOTHING, 0, "" },
        { "{\"result\":[]}", BACKEND_NOTHING, 0, "" },
        { " {\"other\":1,\"result\":{} }\n", BACKEND_RESULT, 0, "" },
        { "{\"result\":{},\"error\":null,\"disconnect\":null}", BACKEND_RESULT, 0, "" },
        /* Errors: their codes and words. */
        { "{\"error\":1}", BACKEND_NOTHING, 0, "" },
        { "{\"error\":{}}", BACKEND_NOTHING, 0, "" },
        { "{\"error\":{\"code\":\"100\"}}", BACKEND_NOTHING, 0, "" },
        { "{\"error\":{\"code\":1e999}}", BACKEND_NOTHING, 0, "" },
        { "{\"error\":{\"code\":99}}", BACKEND_NOTHING, 0, "" },
        { "{\"error\":{\"code\":100}}", BACKEND_ERROR, 100, "" },
        { "{\"error\":{\"code\":101,\"message\":null}}", BACKEND_ERROR, 101, "" },
        { "{\"error\":{\"code\":1998,\"message\":\"m\"}}", BACKEND_ERROR, 1998, "m" },
        { "{\"error\":{\"code\":1999,\"message\":\"\\u00e9\"}}", BACKEND_ERROR, 1999, "\xc3\xa9" },
        { "{\"error\":{\"code\":2000}}", BACKEND_NOTHING, 0, "" },
        { "{\"error\":{\"code\":100,\"message\":5}}", BACKEND_NOTHING, 0, "" },
        { "{\"error\":{\"code\":100,\"message\":\"\\ud800\"}}", BACKEND_NOTHING, 0, "" },
        { "{\"error\":{\"code\":100},\"result\":{}}", BACKEND_ERROR, 100, "" },
        /* Disconnects. */
        { "{\"disconnect\":[]}", BACKEND_NOTHING, 0, "" },
        { "{\"disconnect\":{\"code\":2999}}", BACKEND_NOTHING, 0, "" },
        { "{\"disconnect\":{\"code\":3000,\"message\":\"m\"}}", BACKEND_DISCONNECT, 3000, "" },
        { "{\"disconnect\":{\"code\":3001,\"reason\":\"r\"}}", BACKEND_DISCONNECT, 3001, "r" },
        { "{\"disconnect\":{\"code\":4998}}", BACKEND_DISCONNECT, 4998, "" },
        { "{\"disconnect\":{\"code\":4999}}", BACKEND_DISCONNECT, 4999, "" },
        { "{\"disconnect\":{\"code\":5000}}", BACKEND_NOTHING, 0, "" },
        { "{\"disconnect\":{\"code\":4000},\"error\":{\"code\":100}}", BACKEND_DISCONNECT, 4000, "" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct backend_answer a = read_text(rows[i].text);
        if (a.kind != rows[i].kind)
            fail_msg("%s is %d", rows[i].text, (int)a.kind);
        assert_int_equal(a.code, rows[i].code);
        assert_string_equal(a.text, rows[i].said);
        assert_int_equal(a.result.text != NULL, a.kind == BACKEND_RESULT);
    }
    assert_true(read_text("{\"error\":{\"code\":100,\"temporary\":true}}").temporary);
    assert_false(read_text("{\"error\":{\"code\":100,\"temporary\":1}}").temporary);
    struct backend_answer none;
    backend_read(&none, &(struct hook_answer){ NULL, 0 });
    assert_int_equal(none.kind, BACKEND_NOTHING);
}

TEST(backend, answers_are_as_deep_as_what_a_client_may_say)
{
    for (int over = -1; over <= 1; over++) {
        char text[200] = "{\"result\":{\"data\":";
        size_t len = strlen(text);
        memset(text + len, '[', (size_t)(32 + over));
        memset(text + len + 32 + over, ']', (size_t)(32 + over));
        strcpy(text + len + 2 * (32 + over), "}}");
        assert_int_equal(read_text(text).kind, over <= 0 ? BACKEND_RESULT : BACKEND_NOTHING);
    }
}

TEST(backend, words_are_cut_between_characters_where_a_close_would_not_hold_them)
{
    static const char *const characters[] = { "x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t i = 0; i < sizeof(characters) / sizeof(*characters); i++) {
        size_t size = strlen(characters[i]);
        /* `plain` letters, then the character: it ends before, at and behind byte 123. */
        for (size_t plain = 118; plain <= 124; plain++) {
            char text[400] = "{\"disconnect\":{\"code\":4000,\"reason\":\"", word[200];
            memset(word, 'a', plain);
            strcpy(word + plain, characters[i]);
            strcat(strcat(text, word), "\"}}");
            struct backend_answer a = read_text(text);
            size_t fits = plain + size <= BACKEND_TEXT_MOST ? plain + size
                          : plain < BACKEND_TEXT_MOST       ? plain
                                                            : (size_t)BACKEND_TEXT_MOST;
            assert_int_equal(strlen(a.text), fits);
            assert_memory_equal(a.text, word, fits);
            assert_true(utf8_valid(a.text, fits));
        }
    }
}

static struct json_slice result_of(const char *text)
{
    struct backend_answer a = read_text(text);
    assert_int_equal(a.kind, BACKEND_RESULT);
    return a.result;
}

TEST(backend, times_are_numbers_of_seconds_or_no_times)
{
    static const struct {
        const char *value;
        bool good;
        uint64_t at_ms;
    } rows[] = {
        { "null", true, 0 },
        { "0", true, 0 },
        { "1", true, 1000 },
        { "1.5", true, 1500 },
        { "0.001", true, 1 },
        { "0.0001", false, 0 },
        { "-1", false, 0 },
        { "-0.5", false, 0 },
        { "\"5\"", false, 0 },
        { "true", false, 0 },
        { "[5]", false, 0 },
        { "1e999", false, 0 },
        { "1000000000001", false, 0 },
        { "1000000000000", true, 1000000000000000 },
        { "999999999999", true, 999999999999000 },
        { "1700000000", true, 1700000000000 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char text[100];
        uint64_t at_ms = 77;
        struct hub_claims claims;
        snprintf(text, sizeof(text), "{\"result\":{\"expire_at\":%s}}", rows[i].value);
        struct json_slice result = result_of(text);
        if (backend_expiry(result, &at_ms) != rows[i].good)
            fail_msg("%s", rows[i].value);
        if (rows[i].good)
            assert_int_equal(at_ms, rows[i].at_ms);
        assert_int_equal(backend_claims(&claims, result), rows[i].good ? HUB_OK : HUB_ERROR_INTERNAL);
        if (rows[i].good)
            assert_int_equal(claims.expires_ms, rows[i].at_ms);
        hub_claims_fini(&claims);
    }
    uint64_t at_ms = 77;
    assert_true(backend_expiry((struct json_slice){ NULL, 0 }, &at_ms));
    assert_int_equal(at_ms, 0);
}

TEST(backend, claims_are_those_of_a_token_that_said_the_same)
{
    struct hub_claims claims;
    assert_int_equal(backend_claims(&claims, result_of("{\"result\":{\"user\":\"a\\u006en\",\"info\":{\n},\"meta\":[1],"
                                                       "\"exp\":1,\"sub\":\"eve\",\"channels\":[\"c\",\"d\"]}}")),
                     HUB_OK);
    assert_int_equal(claims.user.len, 3);
    assert_memory_equal(claims.user.at, "ann", 3);
    assert_memory_equal(claims.info.at, "{ }", 3);
    assert_int_equal(claims.subs_count, 2);
    assert_int_equal(claims.expires_ms, 0); /* exp and sub are no words of an answer */
    hub_claims_fini(&claims);
    assert_int_equal(backend_claims(&claims, result_of("{\"result\":{}}")), HUB_OK);
    assert_int_equal(claims.user.len, 0);
    hub_claims_fini(&claims);
    static const char *const bad[] = { "{\"result\":{\"user\":1}}", "{\"result\":{\"channels\":\"c\"}}",
                                       "{\"result\":{\"caps\":{}}}", "{\"result\":{\"subs\":[]}}",
                                       "{\"result\":{\"override\":[]}}" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(backend_claims(&claims, result_of(bad[i])), HUB_ERROR_INTERNAL);
        hub_claims_fini(&claims);
    }
    for (unsigned long n = 0;; n++) {
        struct json_slice result = result_of("{\"result\":{\"user\":\"ann\",\"caps\":[{\"channels\":[\"a\"]}]}}");
        mem_fail(n, false);
        int rc = backend_claims(&claims, result);
        bool over = mem_fail_end() <= n;
        hub_claims_fini(&claims);
        assert_int_equal(rc, over ? HUB_OK : HUB_ERROR_INTERNAL);
        if (over)
            break;
    }
}

TEST(backend, words_without_memory_are_no_answer)
{
    static const char text[] = "{\"error\":{\"code\":100,\"message\":\"m\"}}";
    struct backend_answer a;
    mem_fail(0, false);
    backend_read(&a, &(struct hook_answer){ text, sizeof(text) - 1 });
    assert_int_equal(mem_fail_end(), 1);
    assert_int_equal(a.kind, BACKEND_NOTHING);
}

TEST(backend, lines_hold_no_newline)
{
    struct buf b;
    struct json_slice value = backend_member(result_of("{\"result\":{\"data\":{\r\n\"a\" :\n\"\\n\"}}}"), "data");
    buf_init(&b, NULL, 0);
    backend_put_line(&b, value);
    assert_int_equal(b.len, 11);
    assert_memory_equal(b.at, "{\"a\" :\"\\n\"}", 11);
    buf_fini(&b);
    buf_init(&b, NULL, 0);
    mem_fail(0, false);
    backend_put_line(&b, value);
    mem_fail_end();
    assert_true(b.failed);
    buf_fini(&b);
}

/* The fields of a request that go along, as they are asked for with each. HUB-12 */
static char gone_along[3][200];
static unsigned looked;

static void look(duet_http *x, const duet_request *r)
{
    static char *names[] = { "cookie", "X-B", NULL }, *none[] = { NULL };
    struct wire_site site = { .hooks = &held, .hook_fields = names };
    bool failed = true;
    char *fields = backend_fields(&site, r, &failed);
    assert_false(failed);
    snprintf(gone_along[looked++], sizeof(gone_along[0]), "%s", fields ? fields : "(none)");
    mem_free(fields);
    for (unsigned long n = 0; n < 2 && fields != NULL; n++) {
        mem_fail(n, false);
        assert_null(backend_fields(&site, r, &failed));
        mem_fail_end();
        assert_true(failed);
    }
    site.hook_fields = none;
    assert_null(backend_fields(&site, r, &failed));
    assert_false(failed);
    site.hook_fields = NULL;
    assert_null(backend_fields(&site, r, &failed));
    site = (struct wire_site){ .hook_fields = names };
    assert_null(backend_fields(&site, r, &failed));
    assert_false(failed);
    duet_http_text(x, 200, "looked");
}

TEST(backend, is_given_the_fields_that_were_named_and_no_other)
{
    static const duet_route routes[] = { { .path = "/look", .http = look }, { 0 } };
    static const char *const requests[][2] = {
        { "Cookie: a=1\r\nx-b: c\r\nX-C: d\r\n", "cookie: a=1\r\nX-B: c\r\n" },
        { "X-C: d\r\nCookies: e\r\n", "(none)" },
        { "x-b:   spaces are its own  \r\n", "X-B: spaces are its own\r\n" },
    };
    wire_serve(WIRE_TCP, &(duet_server_config){ DUET_SERVER_CONFIG_INIT, .routes = routes });
    for (unsigned i = 0; i < 3; i++) {
        char request[300];
        struct client *c = client_new();
        snprintf(request, sizeof(request), "GET /look HTTP/1.1\r\nHost: a\r\n%s\r\n", requests[i][0]);
        client_say(c, request);
        assert_int_equal(client_answer(c, NULL, NULL), 200);
        client_free(c);
        assert_string_equal(gone_along[i], requests[i][1]);
    }
    wire_stop();
}
