/* SPDX-License-Identifier: MIT */
#include "client/backoff.h"
#include "http/date.h"

unsigned backoff_ms(unsigned first_ms, unsigned most_ms, unsigned failures, uint32_t random)
{
    uint64_t span = failures < 32 ? (uint64_t)first_ms << failures : most_ms;
    if (span > most_ms)
        span = most_ms;
    return (unsigned)((span + 1) * random >> 32);
}

unsigned backoff_after_s(const char *value, unsigned len, int64_t now)
{
    int64_t seconds = 0, date;
    if (http_date_parse(value, len, &date)) {
        seconds = date - now;
    } else {
        for (unsigned i = 0; i < len; i++) {
            if (value[i] < '0' || value[i] > '9')
                return 0;
            if (seconds <= BACKOFF_AFTER_MOST_S)
                seconds = seconds * 10 + (value[i] - '0');
        }
    }
    return seconds < 0 ? 0 : seconds > BACKOFF_AFTER_MOST_S ? BACKOFF_AFTER_MOST_S : (unsigned)seconds;
}
