/* SPDX-License-Identifier: MIT */
/*
 * What the home page shows of its own connection. The connection writes events as they happen, on its loop; streams
 * read them, each on its own loop, from the beginning as far as it is kept. The page chooses a random token and tells
 * it to both; only who knows the token reads.
 *
 *     writer:  traces_begin --> [named by traces_name] --> trace_put ... --> trace_end
 *     reader:  traces_follow (the token may not be known yet) --> trace_read ... --> trace_unfollow
 *
 * A trace keeps its first two events (the heads) and the last 200 others, 64 KiB at most. It is freed some seconds
 * after its connection ended, when no reader is left. All functions may be called by any thread.
 */
#ifndef CMD_TRACES_H
#define CMD_TRACES_H

#include "base/buf.h"
#include <duet/server.h>

enum { TRACES_TOKEN = 32 }; /* lower-case hexadecimal digits: 128 bits */

struct traces;
struct trace;

/* `wake` is posted to the loop of a reader (a duet_http_id()) when there is more for it. */
int traces_new(struct traces **out, void (*wake)(duet_server *s, uint64_t id, void *unused));
void traces_free(struct traces *all); /* no server turns any more */

/* A trace that nobody can read yet, with its first event. NULL: no memory, or too many traces. */
struct trace *traces_begin(struct traces *all, duet_server *s, const struct buf *request);
/* The second, before any other. */
void trace_put_head(struct traces *all, struct trace *t, const struct buf *response);
/* Gives it its token. Returns the trace to go on with; NULL: the token is another's, and this trace is freed. */
struct trace *traces_name(struct traces *all, struct trace *t, const char token[TRACES_TOKEN]);
/* An event for all its readers; copied. An event without memory is left out. No trace is fine. */
void trace_put(struct traces *all, struct trace *t, const struct buf *event);
/* The connection is gone: the trace is no longer the caller's. NULL is fine. */
void trace_end(struct traces *all, struct trace *t);

/* The reader's number at the trace of this token, which is made when nobody has it yet. -1: too many. */
int traces_follow(struct traces *all, duet_server *s, const char token[TRACES_TOKEN], uint64_t id, struct trace **out);
enum traces_more { TRACES_WAIT, TRACES_MORE, TRACES_OVER };
/* Puts what is new for the reader behind `out`, some KiB at a time. */
enum traces_more trace_read(struct traces *all, struct trace *t, int reader, struct buf *out);
void trace_unfollow(struct traces *all, struct trace *t, int reader);

bool traces_is_token(const char *text, size_t len);

#endif
