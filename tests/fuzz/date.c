/* SPDX-License-Identifier: MIT */
/* A date is written as the C library writes it; one that is read is written again as it was. */
#include "fuzz.h"
#include "http/date.h"
#include <time.h>

static void write_slowly(int64_t seconds, char *to, size_t cap)
{
    time_t t = seconds < 0 ? 0 : seconds > 253402300799 ? 253402300799 : seconds; /* from 1970 to the end of 9999 */
    struct tm tm;
    CHECK(gmtime_r(&t, &tm) != NULL && strftime(to, cap, "%a, %d %b %Y %H:%M:%S GMT", &tm) == HTTP_DATE_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char ours[HTTP_DATE_LEN + 1], theirs[64];
    int64_t seconds = 0, again;
    char *text = exactly(data, size);
    if (http_date_parse(text, size, &seconds)) {
        write_slowly(seconds, theirs, sizeof(theirs));
        CHECK(size == HTTP_DATE_LEN && memcmp(theirs, text, size) == 0 && seconds >= 0);
    }
    free(text);
    memcpy(&seconds, data, size < sizeof(seconds) ? size : sizeof(seconds));
    if (size > 8)
        seconds &= 0x3fffffffff; /* near the years that there are */
    http_date_format(seconds, ours);
    write_slowly(seconds, theirs, sizeof(theirs));
    CHECK(strcmp(ours, theirs) == 0 && http_date_parse(ours, HTTP_DATE_LEN, &again));
    CHECK(again == seconds || seconds < 0 || seconds > 253402300799);
    return 0;
}
