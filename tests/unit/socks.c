/* SPDX-License-Identifier: MIT */
/* SOCKS5 as a client speaks it (RFC 1928, RFC 1929; CLI-11). */
#include "test.h"
#include "http/socks.h"

#define TEXT(s) ((struct http_text){ s, sizeof(s) - 1 })

TEST(socks, the_greeting_offers_what_there_is)
{
    uint8_t out[HTTP_SOCKS_ASK];
    assert_int_equal(http_socks_greeting(out, false), 3);
    assert_memory_equal(out, "\5\1\0", 3);
    assert_int_equal(http_socks_greeting(out, true), 4);
    assert_memory_equal(out, "\5\2\0\2", 4);
}

TEST(socks, user_and_password_have_lengths)
{
    uint8_t out[HTTP_SOCKS_ASK];
    static char longest[255];
    memset(longest, 'p', sizeof(longest));
    assert_int_equal(http_socks_password(out, TEXT("me"), TEXT("pw!")), 8);
    assert_memory_equal(out, "\1\2me\3pw!", 8);
    assert_int_equal(http_socks_password(out, TEXT("m"), (struct http_text){ NULL, 0 }), 4);
    assert_memory_equal(out, "\1\1m\0", 4);
    struct http_text most = { longest, sizeof(longest) };
    assert_int_equal(http_socks_password(out, most, most), HTTP_SOCKS_ASK);
    assert_int_equal(out[1], 255);
    assert_int_equal(out[257], 255);
}

TEST(socks, a_request_has_an_address_or_a_name)
{
    uint8_t out[HTTP_SOCKS_ASK];
    assert_int_equal(http_socks_request(out, TEXT("a.example"), 443), 16);
    assert_memory_equal(out, "\5\1\0\3\11a.example\1\xbb", 16);
    assert_int_equal(http_socks_request(out, TEXT("192.0.2.7"), 80), 10);
    assert_memory_equal(out, "\5\1\0\1\xc0\0\2\7\0\x50", 10);
    assert_int_equal(http_socks_request(out, TEXT("2001:db8::1"), 65535), 22);
    assert_memory_equal(out, "\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xff\xff", 22);
    assert_int_equal(http_socks_request(out, TEXT("::ffff:1.2.3.4"), 1), 22);
    assert_int_equal(out[3], 4);
    static char name[255];
    memset(name, 'n', sizeof(name));
    assert_int_equal(http_socks_request(out, (struct http_text){ name, 255 }, 1), 4 + 1 + 255 + 2);
    assert_int_equal(out[4], 255);
}

enum answer { METHOD, METHOD_PASSWORD, STATUS, REPLY };

static int read_answer(enum answer which, const void *data, size_t len, struct http_socks_refusal *no)
{
    uint8_t method = 99;
    int rc;
    switch (which) {
    case METHOD:
    case METHOD_PASSWORD:
        rc = http_socks_read_method(data, len, which == METHOD_PASSWORD, &method, no);
        assert_true(rc != 2 || method == ((const uint8_t *)data)[1]);
        return rc;
    case STATUS:
        return http_socks_read_status(data, len, no);
    default:
        return http_socks_read_reply(data, len, no);
    }
}

/* Each answer at each length: more is needed until the verdict, which stays, whatever follows. */
TEST(socks, cli_11_answers_at_each_cut)
{
    static const struct {
        enum answer which;
        const char *bytes;
        size_t len;       /* given */
        int verdict;      /* of all of it */
        size_t at;        /* how many bytes it takes to know */
        bool final;
        const char *says;
    } rows[] = {
        { METHOD, "\5\0more", 6, 2, 2, false, NULL },
        { METHOD, "\5\2", 2, -1, 2, true, "not offered" },
        { METHOD, "\5\1", 2, -1, 2, true, "not offered" },
        { METHOD, "\5\xff", 2, -1, 2, true, "wants a user name" },
        { METHOD_PASSWORD, "\5\xff", 2, -1, 2, true, "takes no user name" },
        { METHOD_PASSWORD, "\5\2", 2, 2, 2, false, NULL },
        { METHOD_PASSWORD, "\5\0", 2, 2, 2, false, NULL },
        { METHOD, "\4\0", 2, -1, 1, false, "not that of a SOCKS5" },
        { METHOD, "HTTP/1.1 400", 12, -1, 1, false, "not that of a SOCKS5" },
        { STATUS, "\1\0", 2, 2, 2, false, NULL },
        { STATUS, "\1\1", 2, -1, 2, true, "does not take this user" },
        { STATUS, "\5\0", 2, -1, 1, false, "not that of a SOCKS5" },
        { REPLY, "\5\0\0\1\1\2\3\4\0\x50", 10, 10, 10, false, NULL },
        { REPLY, "\5\0\0\1\1\2\3\4\0\x50more", 14, 10, 10, false, NULL },
        { REPLY, "\5\0\0\3\1n\0\x50", 8, 8, 8, false, NULL },
        { REPLY, "\5\0\0\3\0\0\x50", 7, 7, 7, false, NULL },
        { REPLY, "\5\0\0\4\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10\0\x50", 22, 22, 22, false, NULL },
        { REPLY, "\5\0\0\2\1\2\3\4\0\x50", 10, -1, 4, false, "not that of a SOCKS5" },
        { REPLY, "\5\0\1\1", 4, -1, 3, false, "not that of a SOCKS5" },
        { REPLY, "\4\0", 2, -1, 1, false, "not that of a SOCKS5" },
        { REPLY, "\5\1\0\1", 4, -1, 2, false, "in general" },
        { REPLY, "\5\2\0\1", 4, -1, 2, true, "rules" },
        { REPLY, "\5\3\0\1", 4, -1, 2, false, "network of the server" },
        { REPLY, "\5\4\0\1", 4, -1, 2, false, "server is unreachable" },
        { REPLY, "\5\5\0\1", 4, -1, 2, false, "refused the connection" },
        { REPLY, "\5\6\0\1", 4, -1, 2, false, "too long" },
        { REPLY, "\5\7\0\1", 4, -1, 2, true, "makes no connections" },
        { REPLY, "\5\10", 2, -1, 2, true, "type of address" },
        { REPLY, "\5\11\0\1", 4, -1, 2, false, "not known" },
        { REPLY, "\5\xff\0\1", 4, -1, 2, false, "not known" },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        for (size_t len = 0; len <= rows[i].len; len++) {
            struct http_socks_refusal no = { NULL, false };
            void *exact = malloc(len + (len == 0)); /* so that a look behind it is seen */
            memcpy(exact, rows[i].bytes, len);
            int rc = read_answer(rows[i].which, exact, len, &no);
            free(exact);
            if (rc != (len < rows[i].at ? 0 : rows[i].verdict))
                fail_msg("row %u with %zu bytes: %d", i, len, rc);
            assert_int_equal(no.why != NULL, rc < 0);
            if (rc < 0 && (strstr(no.why, rows[i].says) == NULL || no.final != rows[i].final))
                fail_msg("row %u: %s, %d", i, no.why, no.final);
        }
}
