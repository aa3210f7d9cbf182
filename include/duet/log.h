/* SPDX-License-Identifier: MIT */
/*
 * What a server tells its operator: one event for each refusal, failure and drop, and for its own start, reload and
 * end. An event is a struct; duet_log_line() makes it a line.
 */
#ifndef DUET_LOG_H
#define DUET_LOG_H

#include <duet/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum duet_log_level { DUET_LOG_INFO, DUET_LOG_WARNING, DUET_LOG_ERROR } duet_log_level;

/* One event. Strings are borrowed for the call, and may hold any bytes a peer sent: the line escapes them. NULL and 0
 * mean that the event has no such field, and it is left out of the line. */
typedef struct duet_log_event {
    duet_log_level level;
    const char *event;   /* what happened, in snake_case: "refused", "failed", "listening" */
    const char *reason;  /* why, in snake_case or as a sentence */
    const char *peer;    /* "192.0.2.1:5555", "unix", after trusted proxies */
    const char *target;  /* the request target; secrets in its query are masked in the line (WEB-6) */
    const char *detail;  /* a sentence for people: what to do about it */
    uint64_t conn;       /* duet_id() */
    int code;            /* HTTP status, close code, or a negative error */
    uint64_t bytes_in, bytes_out, age_ms;
    uint64_t suppressed; /* events of this reason that were not logged since the last one */
    uint64_t messages_in, messages_out;
    const char *way;     /* what was spoken: a name of the application's */
    const char *user, *channel;
} duet_log_event;

typedef enum duet_log_format { DUET_LOG_HUMAN, DUET_LOG_JSON } duet_log_format;

/*
 * Writes the event as one line with its newline into `out`, terminated, cut to fit `cap` (at least 256) and still valid
 * in its format. `time_ms` is the wall clock since 1970. Peers' bytes are escaped: no control byte, no invalid UTF-8
 * gets through; values of the query keys token, access_token, auth, key and ticket become "***". Returns the length.
 */
DUET_API size_t duet_log_line(char *out, size_t cap, duet_log_format format, uint64_t time_ms,
                              const duet_log_event *event);

#ifdef __cplusplus
}
#endif
#endif
