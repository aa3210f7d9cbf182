/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/date.h"

TEST(date, known_moments_go_both_ways)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        { 0, "Thu, 01 Jan 1970 00:00:00 GMT" },          { 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },
        { 951782399, "Mon, 28 Feb 2000 23:59:59 GMT" },  { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 1735689599, "Tue, 31 Dec 2024 23:59:59 GMT" }, { 2147483648, "Tue, 19 Jan 2038 03:14:08 GMT" },
        { 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" }, { 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char out[HTTP_DATE_LEN + 1];
        int64_t seconds;
        http_date_format(rows[i].seconds, out);
        assert_string_equal(out, rows[i].text);
        assert_true(http_date_parse(rows[i].text, HTTP_DATE_LEN, &seconds));
        assert_int_equal(seconds, rows[i].seconds);
    }
}

TEST(date, digits_are_digits)
{
    static const char good[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    static const unsigned digits[] = { 5, 6, 12, 15, 17, 18, 20, 21, 23, 24 };
    static const char others[] = " /:x";
    int64_t seconds;
    for (size_t i = 0; i < sizeof(digits) / sizeof(*digits); i++)
        for (const char *other = others; *other != 0; other++) {
            char s[sizeof(good)];
            memcpy(s, good, sizeof(good));
            s[digits[i]] = *other;
            if (http_date_parse(s, HTTP_DATE_LEN, &seconds))
                fail_msg("%s", s);
        }
}

/* A day at a time through four centuries, so that every calendar rule is met. */
TEST(date, each_day_goes_both_ways)
{
    char out[HTTP_DATE_LEN + 1], before[HTTP_DATE_LEN + 1] = "";
    for (int64_t day = 0; day < 146097; day++) {
        int64_t seconds;
        http_date_format(day * 86400 + 86399, out);
        assert_string_not_equal(out, before);
        memcpy(before, out, sizeof(out));
        assert_true(http_date_parse(out, HTTP_DATE_LEN, &seconds));
        assert_int_equal(seconds, day * 86400 + 86399);
    }
    assert_string_equal(out, "Wed, 31 Dec 2369 23:59:59 GMT");
}

TEST(date, out_of_range_is_the_nearest)
{
    char out[HTTP_DATE_LEN + 1];
    http_date_format(-1, out);
    assert_string_equal(out, "Thu, 01 Jan 1970 00:00:00 GMT");
    http_date_format(INT64_MAX, out);
    assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(date, anything_else_is_refused)
{
    static const char *const rows[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1999 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 1994 08:49:-1 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 99 Nov 9999 99:99:99 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Thu, 29 Feb 2100 00:00:00 GMT",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int64_t seconds;
        assert_false(http_date_parse(rows[i], strlen(rows[i]), &seconds));
    }
}
