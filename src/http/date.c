/* SPDX-License-Identifier: MIT */
#include "http/date.h"

#include <stdio.h>
#include <string.h>

static const char days[7][4] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
static const char months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

static const int64_t latest = 253402300799; /* the last second of 9999 */

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
    static const uint8_t length[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return length[month] + (month == 1 && is_leap(year));
}

/* Days from 1 January of year 1, a Monday, to 1 January of `year`. */
static int days_before(int year)
{
    int y = year - 1;
    return 365 * y + y / 4 - y / 100 + y / 400;
}

void http_date_format(int64_t seconds, char out[HTTP_DATE_LEN + 1])
{
    seconds = seconds < 0 ? 0 : seconds > latest ? latest : seconds;
    int day = days_before(1970) + (int)(seconds / 86400), clock = (int)(seconds % 86400);
    int year = day / 366 + 1, month = 0; /* never too late, and only a few years too early */
    const char *name = days[day % 7];
    while (days_before(year + 1) <= day)
        year++;
    day -= days_before(year);
    for (; day >= month_days(year, month); month++)
        day -= month_days(year, month);
    snprintf(out, HTTP_DATE_LEN + 1, "%s, %02u %s %04u %02u:%02u:%02u GMT", name, (unsigned)(day + 1) % 100,
             months[month], (unsigned)year % 10000, (unsigned)clock / 3600 % 24, (unsigned)clock / 60 % 60,
             (unsigned)clock % 60);
}

/* The number of `n` digits at `s`, or -1. */
static int number(const char *s, int n)
{
    int value = 0;
    for (; n > 0; n--, s++) {
        if (*s < '0' || *s > '9')
            return -1;
        value = value * 10 + (*s - '0');
    }
    return value;
}

static int month_of(const char *s)
{
    for (int i = 0; i < 12; i++)
        if (memcmp(s, months[i], 3) == 0)
            return i;
    return -1;
}

bool http_date_parse(const char *s, size_t len, int64_t *seconds)
{
    if (len != HTTP_DATE_LEN)
        return false;
    int day = number(s + 5, 2), month = month_of(s + 8), year = number(s + 12, 4);
    int hour = number(s + 17, 2), minute = number(s + 20, 2), second = number(s + 23, 2);
    if (day < 1 || month < 0 || year < 1970 || hour < 0 || minute < 0 || second < 0)
        return false;
    day += days_before(year) - days_before(1970) - 1;
    for (int i = 0; i < month; i++)
        day += month_days(year, i);
    int clock = hour * 3600 + minute * 60 + second;
    int64_t value = (int64_t)day * 86400 + clock;
    /* Everything else that could be wrong, from 31 February to a false Monday, does not come out as it went in. */
    char again[HTTP_DATE_LEN + 1];
    http_date_format(value, again);
    *seconds = value;
    return memcmp(s, again, HTTP_DATE_LEN) == 0;
}
