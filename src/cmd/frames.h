/* SPDX-License-Identifier: MIT */
/* The lines of --trace, on standard error: > is sent, < received, * is ours; then seconds since the start. */
#ifndef CMD_FRAMES_H
#define CMD_FRAMES_H

#include <duet/client.h>

struct frames {
    uint64_t start_us; /* of clock_us() */
    bool secrets;      /* Authorization, Cookie and the like are shown */
};

/* Begins a line with its mark and time; the rest and the newline are the caller's. */
void frames_begin(const struct frames *f, char mark);
void frames_head(const struct frames *f, bool sent, const char *head, size_t len);
void frames_frame(const struct frames *f, const duet_trace *t);
/* A message that came in so many compressed bytes. */
void frames_inflated(const struct frames *f, uint64_t packed, size_t len);

#endif
