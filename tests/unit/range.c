/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/range.h"

TEST(range, one_range_or_the_whole)
{
    static const struct {
        const char *value;
        uint64_t size;
        int verdict;
        uint64_t first, last;
    } rows[] = {
        { "bytes=0-0", 10, 1, 0, 0 },
        { "bytes=0-8", 10, 1, 0, 8 },
        { "bytes=0-9", 10, 1, 0, 9 },
        { "bytes=0-10", 10, 1, 0, 9 },
        { "bytes=3-5", 10, 1, 3, 5 },
        { "Bytes=3-5", 10, 1, 3, 5 },
        { "bytes= 3-5 ", 10, 1, 3, 5 },
        { "bytes=9-", 10, 1, 9, 9 },
        { "bytes=0-", 10, 1, 0, 9 },
        { "bytes=-1", 10, 1, 9, 9 },
        { "bytes=-9", 10, 1, 1, 9 },
        { "bytes=-10", 10, 1, 0, 9 },
        { "bytes=-11", 10, 1, 0, 9 },
        { "bytes=-99999999999999999999999", 10, 1, 0, 9 },
        { "bytes=0-99999999999999999999999", 10, 1, 0, 9 },
        { "bytes=0-18446744073709551615", 10, 1, 0, 9 },
        { "bytes=10-", 10, -416, 0, 0 },
        { "bytes=10-20", 10, -416, 0, 0 },
        { "bytes=99999999999999999999999-", 10, -416, 0, 0 },
        { "bytes=-0", 10, -416, 0, 0 },
        { "bytes=0-", 0, -416, 0, 0 },
        { "bytes=-1", 0, -416, 0, 0 },
        { "bytes=5-3", 10, 0, 0, 0 },
        { "bytes=0-1,3-4", 10, 0, 0, 0 },
        { "bytes=0-1,", 10, 0, 0, 0 },
        { "bytes=0-0,-1", 10, 0, 0, 0 },
        { "bytes=", 10, 0, 0, 0 },
        { "bytes=-", 10, 0, 0, 0 },
        { "bytes=1", 10, 0, 0, 0 },
        { "bytes=a-b", 10, 0, 0, 0 },
        { "bytes=+1-2", 10, 0, 0, 0 },
        { "bytes=--1", 10, 0, 0, 0 },
        { "bytes=0x1-2", 10, 0, 0, 0 },
        { "bytes=1 -2", 10, 0, 0, 0 },
        { "bytes =1-2", 10, 0, 0, 0 },
        { "byte=1-2", 10, 0, 0, 0 },
        { "items=1-2", 10, 0, 0, 0 },
        { "", 10, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t first, last;
        int rc = http_range_parse(rows[i].value, strlen(rows[i].value), rows[i].size, &first, &last);
        if (rc != rows[i].verdict || (rc == 1 && (first != rows[i].first || last != rows[i].last)))
            fail_msg("%s: %d", rows[i].value, rc);
    }
}
