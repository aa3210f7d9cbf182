/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "base/utf8.h"
#include <duet/log.h>
#include <limits.h>

static const uint64_t at = 1795539114123; /* 2026-11-24 16:51:54.123 */

static const char *human(const duet_log_event *e)
{
    static char line[4096];
    size_t len = duet_log_line(line, sizeof(line), DUET_LOG_HUMAN, at, e);
    assert_int_equal(len, strlen(line));
    return line;
}

static const char *json(const duet_log_event *e)
{
    static char line[4096];
    size_t len = duet_log_line(line, sizeof(line), DUET_LOG_JSON, at, e);
    assert_int_equal(len, strlen(line));
    return line;
}

static const char *after_string(const char *s)
{
    if (*s++ != '"')
        return NULL;
    while (*s != '"') {
        if ((uint8_t)*s < 0x20)
            return NULL;
        if (*s == '\\' && s[1] == 'u' && strspn(s + 2, "0123456789abcdef") >= 4)
            s += 6;
        else if (*s == '\\' && (s[1] == '"' || s[1] == '\\'))
            s += 2;
        else if (*s == '\\')
            return NULL;
        else
            s++;
    }
    return s + 1;
}

/* {"name":"string","name":-1,...}\n */
static bool is_json_object(const char *s)
{
    if (!utf8_valid(s, strlen(s)) || *s++ != '{')
        return false;
    for (;; s++) {
        s = after_string(s);
        if (s == NULL || *s++ != ':')
            return false;
        if (*s == '"')
            s = after_string(s);
        else
            s += (*s == '-') + strspn(s + (*s == '-'), "0123456789");
        if (s == NULL || *s != ',')
            return s != NULL && strcmp(s, "}\n") == 0;
    }
}

TEST(log, has_all_fields_in_both_formats)
{
    duet_log_event e = { DUET_LOG_WARNING,
                         .event = "refused",
                         .reason = "origin_not_allowed",
                         .peer = "192.0.2.1:5555",
                         .target = "/chat",
                         .detail = "Add it to origins.",
                         .conn = 7,
                         .code = 403,
                         .bytes_in = 10,
                         .bytes_out = 20,
                         .age_ms = 30,
                         .suppressed = 40 };
    assert_string_equal(human(&e), "2026-11-24T16:51:54.123Z warning refused reason=origin_not_allowed "
                                   "peer=192.0.2.1:5555 conn=7 code=403 bytes_in=10 bytes_out=20 age_ms=30 "
                                   "suppressed=40 target=/chat detail=\"Add it to origins.\"\n");
    assert_string_equal(json(&e), "{\"time\":\"2026-11-24T16:51:54.123Z\",\"level\":\"warning\",\"event\":\"refused\","
                                  "\"reason\":\"origin_not_allowed\",\"peer\":\"192.0.2.1:5555\",\"conn\":7,"
                                  "\"code\":403,\"bytes_in\":10,\"bytes_out\":20,\"age_ms\":30,\"suppressed\":40,"
                                  "\"target\":\"/chat\",\"detail\":\"Add it to origins.\"}\n");
    assert_true(is_json_object(json(&e)));
}

TEST(log, tells_of_a_connection_s_life_with_what_its_peer_said_behind_the_numbers)
{
    duet_log_event e = { .event = "connection",
                         .messages_in = 1,
                         .messages_out = 2,
                         .way = "channel",
                         .user = "ann\nlevel=error",
                         .channel = "c?token=abc" };
    assert_string_equal(json(&e), "{\"time\":\"2026-11-24T16:51:54.123Z\",\"level\":\"info\",\"event\":\"connection\","
                                  "\"messages_in\":1,\"messages_out\":2,\"way\":\"channel\","
                                  "\"user\":\"ann\\u000alevel=error\",\"channel\":\"c?token=***\"}\n");
    assert_string_equal(human(&e), "2026-11-24T16:51:54.123Z info connection messages_in=1 messages_out=2 way=channel "
                                   "user=\"ann\\u000alevel=error\" channel=\"c?token=***\"\n");
}

TEST(log, leaves_out_what_an_event_does_not_have)
{
    duet_log_event e = { DUET_LOG_INFO, .event = "listening" };
    assert_string_equal(human(&e), "2026-11-24T16:51:54.123Z info listening\n");
    assert_string_equal(json(&e),
                        "{\"time\":\"2026-11-24T16:51:54.123Z\",\"level\":\"info\",\"event\":\"listening\"}\n");
    duet_log_event failed = { DUET_LOG_ERROR, .event = "failed", .code = INT_MIN, .conn = UINT64_MAX };
    assert_non_null(strstr(human(&failed), " error failed conn=18446744073709551615 code=-2147483648\n"));
}

TEST(log, days_of_the_calendar)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } days[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 951782399999, "2000-02-28T23:59:59.999Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { 951868800000, "2000-03-01T00:00:00.000Z" },
        { 1709164800000, "2024-02-29T00:00:00.000Z" },
        { 1735689599999, "2024-12-31T23:59:59.999Z" },
        { 4107542400000, "2100-03-01T00:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
        { UINT64_MAX, "9999-12-31T23:59:59.999Z" },
    };
    for (size_t i = 0; i < sizeof(days) / sizeof(*days); i++) {
        char line[256];
        duet_log_line(line, sizeof(line), DUET_LOG_HUMAN, days[i].ms, &(duet_log_event){ .event = "e" });
        assert_memory_equal(line, days[i].text, 24);
    }
}

TEST(log, what_turns_or_hides_text_is_escaped)
{
    static const struct {
        const char *text, *line;
    } rows[] = {
        { "\u200A", "\u200A" }, { "\u200B", "\\u200b" }, { "\u200F", "\\u200f" }, { "\u2010", "\u2010" },
        { "\u2027", "\u2027" }, { "\u2028", "\\u2028" }, { "\u202E", "\\u202e" }, { "\u202F", "\u202F" },
        { "\u2065", "\u2065" }, { "\u2066", "\\u2066" }, { "\u2069", "\\u2069" }, { "\u206A", "\u206A" },
        { "\uFEFE", "\uFEFE" }, { "\uFEFF", "\\ufeff" }, { "\uFF00", "\uFF00" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        duet_log_event e = { .event = "e", .target = rows[i].text };
        char expected[64];
        snprintf(expected, sizeof(expected), ",\"target\":\"%s\"}\n", rows[i].line);
        assert_non_null(strstr(json(&e), expected));
    }
}

TEST(log, no_control_byte_and_no_bad_utf_8_gets_through)
{
    duet_log_event e = { .event = "e", .target = "/\n\x1b[31m\x7f\"\\\xC3\xA4\xC2\x9B\xE2\x80\xAE\xFF\xE2\x82" };
    assert_non_null(
        strstr(human(&e), " target=\"/\\u000a\\u001b[31m\\u007f\\\"\\\\\xC3\xA4\\u009b\\u202e\\xff\\xe2\\x82\"\n"));
    assert_non_null(strstr(json(&e), ",\"target\":\"/\\u000a\\u001b[31m\\u007f\\\"\\\\\xC3\xA4\\u009b\\u202e"
                                     "\\ufffd\\ufffd\\ufffd\"}\n"));
    for (unsigned c = 1; c < 256; c++) {
        char text[] = { 'x', (char)c, 'y', '\0' };
        duet_log_event any = { .event = text, .reason = text, .peer = text, .target = text, .detail = text };
        for (size_t f = 0; f < 2; f++) {
            const char *line = f ? json(&any) : human(&any);
            assert_true(utf8_valid(line, strlen(line)));
            for (const char *s = line; s[1]; s++)
                assert_true((uint8_t)*s >= 0x20 && *s != 0x7F);
        }
        assert_true(is_json_object(json(&any)));
    }
}

TEST(log, a_value_cannot_look_like_another_field)
{
    duet_log_event e = { .event = "e", .peer = "x code=200", .reason = "", .detail = "a=b" };
    assert_non_null(strstr(human(&e), " e reason=\"\" peer=\"x code=200\" detail=\"a=b\"\n"));
}

TEST(log, web_6_secrets_of_the_query_are_masked)
{
    static const char *const targets[][2] = {
        { "/?token=SECRET", "/?token=***" },
        { "/?a=1&access_token=SECRET&b=2", "/?a=1&access_token=***&b=2" },
        { "/?auth=SECRET&key=SECRET&ticket=SECRET", "/?auth=***&key=***&ticket=***" },
        { "/?Token=SECRET", "/?Token=***" },
        { "/?%74ok%65n=SECRET", "/?%74ok%65n=***" },
        { "/?a=1;token=SECRET", "/?a=1;token=***" },
        { "/?token=SEC=RET", "/?token=***" },
        { "/?token=a;SECRET?#/ SECRET", "/?token=***" },
        { "/?token=SECRET&token=SECRET", "/?token=***&token=***" },
        { "ws://h/?x#access_token=SECRET", "ws://h/?x#access_token=***" },
        { "/?token=", "/?token=***" },
        { "/?%74oke%6E=SECRET", "/?%74oke%6E=***" },
        { "/?%7", "/?%7" },
        { "/?t%6gken=1&t%g6ken=1&t%6/ken=1&t%6:ken=1", "/?t%6gken=1&t%g6ken=1&t%6/ken=1&t%6:ken=1" },
        { "/?mytoken=1&tokens=2&keyed=3&token", "/?mytoken=1&tokens=2&keyed=3&token" },
        { "/token=1?x&=&%", "/token=1?x&=&%" },
        { "/?access_token_of_mine=1", "/?access_token_of_mine=1" },
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        char wanted[100];
        duet_log_event e = { .event = "e", .target = targets[i][0] };
        snprintf(wanted, sizeof(wanted), " target=\"%s\"\n", targets[i][1]);
        assert_non_null(strstr(human(&e), wanted));
        snprintf(wanted, sizeof(wanted), ",\"target\":\"%s\"}\n", targets[i][1]);
        assert_non_null(strstr(json(&e), wanted));
    }
}

TEST(log, web_6_a_url_inside_a_sentence_is_masked_too)
{
    duet_log_event e = { .event = "e", .detail = "No answer from ws://h/?token=SECRET within 10 s." };
    assert_non_null(strstr(human(&e), "\"No answer from ws://h/?token=*** within 10 s.\""));
}

TEST(log, is_cut_to_fit_and_still_valid)
{
    enum { LONG = 700 };
    static const char *const units[] = { "a", "\xC3\xA4", "\xF0\x9F\x98\x80", "\n", "\"", "\xFF", " ", "&token=" };
    for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++) {
        char text[LONG * 8] = "";
        for (size_t n = 0; n < LONG; n++)
            strcat(text, units[u]);
        for (size_t shift = 0; shift < 8; shift++)
            for (size_t which = 0; which < 3; which++) {
                duet_log_event e = { .event = which == 0 ? text : "e",
                                     .target = which == 1 ? text : "/",
                                     .peer = &"1234567"[shift],
                                     .detail = which == 2 ? text : "d",
                                     .conn = 1 };
                for (size_t cap = 256; cap < 300; cap++) {
                    char line[300];
                    memset(line, 'Z', sizeof(line));
                    size_t len = duet_log_line(line, cap, DUET_LOG_JSON, at, &e);
                    assert_true(len < cap && len > cap - 30 && line[len] == '\0' && line[len - 1] == '\n');
                    assert_true(is_json_object(line));
                    assert_non_null(strstr(line, "...\""));
                    for (size_t i = cap; i < sizeof(line); i++)
                        assert_int_equal(line[i], 'Z');
                    len = duet_log_line(line, cap, DUET_LOG_HUMAN, at, &e);
                    assert_true(len < cap && line[len] == '\0' && strchr(line, '\n') == line + len - 1);
                    assert_true(utf8_valid(line, len));
                }
            }
    }
}

TEST(log, the_longest_that_fits_is_whole)
{
    char text[300], line[256];
    memset(text, 'a', sizeof(text));
    /* {"time":"2026-11-24T16:51:54.123Z","level":"info","event":"..."} and a newline are 62 bytes around the text, and
     * three are kept for the dots. */
    for (size_t n = 180; n < 200; n++) {
        text[n] = '\0';
        duet_log_line(line, sizeof(line), DUET_LOG_JSON, at, &(duet_log_event){ .event = text });
        assert_true((strstr(line, "...") == NULL) == (62 + n <= 255 - 3));
        text[n] = 'a';
    }
}

TEST(log, a_buffer_under_the_least_gets_nothing)
{
    char line[256] = "x";
    assert_int_equal(duet_log_line(line, 255, DUET_LOG_HUMAN, at, &(duet_log_event){ .event = "e" }), 0);
    assert_string_equal(line, "");
    assert_int_equal(duet_log_line(NULL, 0, DUET_LOG_HUMAN, at, &(duet_log_event){ .event = "e" }), 0);
}
