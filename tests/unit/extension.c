/* SPDX-License-Identifier: MIT */
/* What is offered, chosen and agreed on for permessage-deflate (RFC 7692 7.1; PMD-7, PMD-8, PMD-9). */
#include "proto/extension.h"
#include "test.h"

static const struct http_limits limits = { .head_bytes = 16384, .target_bytes = 8192, .fields = 100 };

static bool choose(const char *lines, const duet_deflate *options, struct extension *e)
{
    char text[8192];
    struct http_head h;
    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    http_head_init(&h);
    assert_int_equal(http_head_request(&h, text, strlen(text), &limits), 1);
    return extension_choose(&h, text, options, e);
}

/* The answer to these offers, without its name and line break; "-": none. */
static const char *answer_lines(const char *lines, const duet_deflate *options)
{
    static char space[512];
    static const char name[] = "Sec-WebSocket-Extensions: permessage-deflate";
    struct extension e;
    struct buf b;
    if (!choose(lines, options, &e))
        return "-";
    buf_init(&b, space, sizeof(space));
    extension_answer(&b, &e);
    assert_false(b.owned);
    assert_memory_equal(space, name, sizeof(name) - 1);
    assert_memory_equal(space + b.len - 2, "\r\n", 2);
    space[b.len - 2] = 0;
    return space + sizeof(name) - 1;
}

static const char *answer(const char *offers, const duet_deflate *options)
{
    char lines[4096];
    snprintf(lines, sizeof(lines), "Sec-WebSocket-Extensions: %s\r\n", offers);
    return answer_lines(lines, options);
}

static int agree_lines(const char *lines, const duet_deflate *options, struct extension *e)
{
    char text[4096];
    struct http_head h;
    snprintf(text, sizeof(text), "HTTP/1.1 101 X\r\n%s\r\n", lines);
    http_head_init(&h);
    assert_int_equal(http_head_response(&h, text, strlen(text), &limits), 1);
    return extension_agree(&h, text, options, e);
}

static int agree(const char *value, const duet_deflate *options, struct extension *e)
{
    char lines[2048];
    snprintf(lines, sizeof(lines), "Sec-WebSocket-Extensions: %s\r\n", value);
    return agree_lines(lines, options, e);
}

/* A parameter, and whether it may stand in an offer and in an answer to one that had client_max_window_bits. 66 rows:
 * the values of both windows, quoted and not, what flags may not have, what is unknown. */
struct param {
    const char *text;
    bool offer, answer;
};

#define WINDOW(name, bare)                                                                                             \
    { name, bare, false }, { name "=", false, false }, { name "=\"\"", false, false }, { name "=0", false, false },    \
        { name "=1", false, false }, { name "=7", false, false }, { name "=9", true, true },                           \
        { name "=10", true, true }, { name "=11", true, true }, { name "=12", true, true },                            \
        { name "=13", true, true }, { name "=14", true, true }, { name "=15", true, true },                            \
        { name "=\"15\"", true, true }, { name "=\"1\\5\"", true, true }, { name "=\"9\"", true, true },               \
        { name "=16", false, false }, { name "=150", false, false },                                                   \
        { name "=08", false, false }, { name "=\"010\"", false, false },                                               \
        { name "=8.0", false, false }, { name "=+9", false, false }, { name "=1a", false, false },                     \
        { name "=99999999999999999999", false, false }, { name "=9; " name "=9", false, false }

static const struct param params[] = {
    { "server_no_context_takeover", true, true },
    { "server_no_context_takeover=1", false, false },
    { "server_no_context_takeover=\"true\"", false, false },
    { "server_no_context_takeover; server_no_context_takeover", false, false },
    { "client_no_context_takeover", true, true },
    { "client_no_context_takeover=1", false, false },
    { "client_no_context_takeover=\"\"", false, false },
    { "client_no_context_takeover; client_no_context_takeover", false, false },
    WINDOW("server_max_window_bits", false),
    WINDOW("client_max_window_bits", true),
    { "server_max_window_bits=8", false, true }, /* we have no such compressor, but inflate what it makes */
    { "client_max_window_bits=8", true, false },
    { "unknown", false, false },
    { "Server_No_Context_Takeover", false, false },
    { "x=\"y\"", false, false },
    { "server_max_window_bits=10; client_max_window_bits=10", true, true },
    { "client_max_window_bits=10; server_no_context_takeover; server_max_window_bits=12; client_no_context_takeover",
      true, true },
    { "server_no_context_takeover; unknown", false, false },
};

static const duet_deflate kept = { .on = true, .keep_window = true };
static const duet_deflate reset = { .on = true };

/* RFC-89, RFC-92, RFC-96. */
TEST(extension, pmd_7_an_offer_with_a_bad_parameter_is_declined_and_the_next_tried)
{
    assert_true(sizeof(params) / sizeof(params[0]) >= 60);
    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        char offer[256], two[512];
        snprintf(offer, sizeof(offer), "permessage-deflate; %s", params[i].text);
        if ((strcmp(answer(offer, &kept), "-") != 0) != params[i].offer)
            fail_msg("offered alone: %s", offer);
        snprintf(two, sizeof(two), "%s, permessage-deflate; server_max_window_bits=14", offer);
        const char *second = "; server_max_window_bits=14";
        if (!params[i].offer && strcmp(answer(two, &kept), second) != 0)
            fail_msg("offered first: %s -> %s", two, answer(two, &kept));
    }
}

/* RFC-90, RFC-92, RFC-94, RFC-96. */
TEST(extension, pmd_8_an_answer_with_a_bad_parameter_fails)
{
    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        char text[256];
        struct extension e;
        snprintf(text, sizeof(text), "permessage-deflate; %s", params[i].text);
        if (agree(text, &kept, &e) != (params[i].answer ? 1 : DUET_ERR_HANDSHAKE))
            fail_msg("answered: %s", text);
    }
}

/* RFC-17, RFC-91, RFC-93, RFC-97. */
TEST(extension, the_server_answers_what_it_was_asked)
{
    static const struct {
        const char *offers, *kept, *reset;
    } rows[] = {
        { "permessage-deflate", "", "; server_no_context_takeover; client_no_context_takeover" },
        { "permessage-deflate; client_max_window_bits", "",
          "; server_no_context_takeover; client_no_context_takeover" },
        { "permessage-deflate; client_max_window_bits=8", "; client_max_window_bits=8",
          "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=8" },
        { "permessage-deflate; server_no_context_takeover", "; server_no_context_takeover",
          "; server_no_context_takeover; client_no_context_takeover" },
        { "permessage-deflate; client_no_context_takeover", "; client_no_context_takeover",
          "; server_no_context_takeover; client_no_context_takeover" },
        { "permessage-deflate; server_max_window_bits=15", "; server_max_window_bits=15",
          "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15" },
        { "permessage-deflate; server_max_window_bits=9; client_max_window_bits=\"10\"",
          "; server_max_window_bits=9; client_max_window_bits=10",
          "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; "
          "client_max_window_bits=10" },
        { "permessage-deflate; server_max_window_bits=8, permessage-deflate", "",
          "; server_no_context_takeover; client_no_context_takeover" },
        { "x-webkit-deflate-frame, mux; a=b, permessage-deflate;client_max_window_bits ; server_max_window_bits = 11",
          "; server_max_window_bits=11",
          "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11" },
        { "permessage-deflates, permessage-deflat", "-", "-" },
        { "permessage-deflate; a=\"b, permessage-deflate\"", "-", "-" },
        { "; permessage-deflate, , =", "-", "-" },
    };
    static const duet_deflate off = { .keep_window = true };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(answer(rows[i].offers, &kept), rows[i].kept);
        assert_string_equal(answer(rows[i].offers, &reset), rows[i].reset);
        assert_string_equal(answer(rows[i].offers, &off), "-");
    }
    assert_string_equal(answer_lines("", &kept), "-");
    assert_string_equal(answer_lines("Sec-WebSocket-Extensions: x\r\nsec-websocket-extensions: permessage-deflate\r\n",
                                     &kept), "");
}

/* RFC-97, RFC-99, RFC-100. */
TEST(extension, a_smaller_window_of_our_own_is_said_and_the_peers_asked_for)
{
    static const duet_deflate small = { .on = true, .keep_window = true, .window_bits = 11, .peer_window_bits = 12 };
    assert_string_equal(answer("permessage-deflate", &small), "; server_max_window_bits=11");
    assert_string_equal(answer("permessage-deflate; client_max_window_bits", &small),
                        "; server_max_window_bits=11; client_max_window_bits=12");
    assert_string_equal(answer("permessage-deflate; client_max_window_bits=15; server_max_window_bits=15", &small),
                        "; server_max_window_bits=11; client_max_window_bits=12");
    assert_string_equal(answer("permessage-deflate; client_max_window_bits=10; server_max_window_bits=9", &small),
                        "; server_max_window_bits=9; client_max_window_bits=10");
    struct extension e;
    assert_true(choose("Sec-WebSocket-Extensions: permessage-deflate\r\n", &small, &e));
    assert_int_equal(e.own_bits, 11);
    assert_int_equal(e.peer_bits, 15); /* it cannot be held to less */
}

TEST(extension, pmd_7_only_16_offers_are_looked_at)
{
    for (unsigned before = EXTENSION_OFFERS_MOST - 2; before <= EXTENSION_OFFERS_MOST; before++) {
        char offers[1024] = "";
        for (unsigned i = 0; i < before; i++)
            strcat(offers, "permessage-deflate; x, ");
        strcat(offers, "permessage-deflate");
        assert_string_equal(answer(offers, &kept), before < EXTENSION_OFFERS_MOST ? "" : "-");
    }
}

static const char *offer(const duet_deflate *options)
{
    static char space[512];
    struct buf b;
    buf_init(&b, space, sizeof(space));
    extension_offer(&b, options);
    space[b.len] = 0;
    return space;
}

TEST(extension, a_client_offers_what_it_can_do)
{
    static const duet_deflate off = { 0 };
    static const duet_deflate small = { .on = true, .keep_window = true, .window_bits = 9, .peer_window_bits = 14 };
    assert_string_equal(offer(&off), "");
    assert_string_equal(offer(&kept), "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    assert_string_equal(offer(&reset), "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; "
                                       "server_no_context_takeover; client_no_context_takeover\r\n");
    assert_string_equal(offer(&small), "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9; "
                                       "server_max_window_bits=14\r\n");
}

/* RFC-40, RFC-98. */
TEST(extension, pmd_8_a_client_takes_no_more_than_it_offered)
{
    static const duet_deflate off = { 0 };
    static const duet_deflate small = { .on = true, .keep_window = true, .window_bits = 11, .peer_window_bits = 12 };
    static const struct {
        const duet_deflate *options;
        const char *value;
        int result;
    } rows[] = {
        { &off, "permessage-deflate", DUET_ERR_HANDSHAKE },
        { &kept, "permessage-deflate", 1 },
        { &kept, "permessage-deflate, permessage-deflate", DUET_ERR_HANDSHAKE },
        { &kept, "x", DUET_ERR_HANDSHAKE },
        { &kept, "permessage-deflate, x", DUET_ERR_HANDSHAKE },
        { &kept, "permessage-deflate; a=\"b", DUET_ERR_HANDSHAKE },
        { &reset, "permessage-deflate", DUET_ERR_HANDSHAKE }, /* it keeps a window that it was asked not to */
        { &reset, "permessage-deflate; server_no_context_takeover", 1 },
        { &small, "permessage-deflate", DUET_ERR_HANDSHAKE },
        { &small, "permessage-deflate; server_max_window_bits=13", DUET_ERR_HANDSHAKE },
        { &small, "permessage-deflate; server_max_window_bits=12", 1 },
        { &small, "permessage-deflate; server_max_window_bits=11", 1 },
        { &small, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", DUET_ERR_HANDSHAKE },
        { &small, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=11", 1 },
    };
    struct extension e;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(agree(rows[i].value, rows[i].options, &e), rows[i].result);
    assert_int_equal(agree_lines("", &kept, &e), 0);
    assert_int_equal(agree_lines("Sec-WebSocket-Extensions: permessage-deflate\r\n"
                                 "Sec-WebSocket-Extensions: permessage-deflate\r\n", &kept, &e), DUET_ERR_HANDSHAKE);
    assert_int_equal(agree("permessage-deflate; server_max_window_bits=8; client_max_window_bits=9", &kept, &e), 1);
    assert_int_equal(e.peer_bits, 8);
    assert_int_equal(e.own_bits, 9);
    assert_false(e.own_reset);
    assert_false(e.peer_reset);
}

TEST(extension, pmd_9_windows_of_our_own_are_9_to_15)
{
    for (unsigned bits = 0; bits <= 17; bits++) {
        bool fine = bits == 0 || (bits >= 9 && bits <= 15);
        assert_int_equal(extension_options_valid(&(duet_deflate){ .window_bits = bits }), fine);
        assert_int_equal(extension_options_valid(&(duet_deflate){ .peer_window_bits = bits }), fine);
    }
    assert_true(extension_options_valid(&(duet_deflate){ .level = 9 }));
    assert_false(extension_options_valid(&(duet_deflate){ .level = 10 }));
}
