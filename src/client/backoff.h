/* SPDX-License-Identifier: MIT */
/* How long a client waits before it comes back (RFC 6455 7.2.3), so that a server that restarts is not stormed. */
#ifndef CLIENT_BACKOFF_H
#define CLIENT_BACKOFF_H

#include <stdint.h>

/* Full jitter: somewhere up to `first_ms`, doubled for each of the `failures` before this one, at most `most_ms`. */
unsigned backoff_ms(unsigned first_ms, unsigned most_ms, unsigned failures, uint32_t random);

enum { BACKOFF_AFTER_MOST_S = 24 * 3600 };

/* Seconds that a Retry-After asks for (a number, or a date seen from `now`, in seconds since 1970), at most a day; 0
 * for what is neither. */
unsigned backoff_after_s(const char *value, unsigned len, int64_t now);

#endif
