/* SPDX-License-Identifier: MIT */
/*
 * The stream of one channel: publications with offsets 1, 2, 3, ... under an epoch, of which the newest are kept.
 *
 * A position is an epoch and an offset: all up to there was seen. The top is the offset of the newest publication, kept
 * or not; an epoch that is another says that offsets mean nothing any more. Not locked: the channel's lock does that.
 */
#ifndef HUB_STREAM_H
#define HUB_STREAM_H

#include "hub/publication.h"

enum { STREAM_EPOCH = 8 }; /* letters */

struct stream {
    char epoch[STREAM_EPOCH + 1];
    uint64_t top;
    uint64_t touched_ms; /* when the newest was appended, by the hub's clock */
    struct publication **ring;
    uint32_t cap, first, count; /* offsets top - count + 1 to top */
    size_t bytes;               /* of what is kept */
};

struct stream_position {
    char epoch[STREAM_EPOCH + 1]; /* "": any */
    uint64_t offset;
};

void stream_init(struct stream *s, const char epoch[STREAM_EPOCH + 1]); /* empty, at offset 0 */
void stream_fini(struct stream *s);

/* Makes room for one publication more, so that the next stream_append() cannot fail. 0 or DUET_ERR_NOMEM. */
int stream_reserve(struct stream *s);
/* The next publication, at offset top + 1: takes a reference of its own, and drops what is beyond `most`. When `p` has
 * an offset already, it must be that one. */
void stream_append(struct stream *s, struct publication *p, uint32_t most, uint64_t now_ms);
/* The newest had this offset, and nothing of it is kept: before anything is appended. */
void stream_resume(struct stream *s, uint64_t top, uint64_t touched_ms);
/* Drops the oldest. */
void stream_drop(struct stream *s);
void stream_clear(struct stream *s); /* all of them; epoch and top stay */
/* Drops all when the newest is older than `ttl_ms`. */
void stream_expire(struct stream *s, uint64_t ttl_ms, uint64_t now_ms);

/* The publication at an offset; NULL: not kept. */
struct publication *stream_at(const struct stream *s, uint64_t offset);
/* The offset of the oldest that is kept; top + 1 when none is. */
uint64_t stream_oldest(const struct stream *s);

/*
 * Whether everything behind a position is still kept, so that who stood there can be told what he missed: exactly
 * offset + 1 to top. False for another epoch, an offset from the future and one whose followers were dropped (HUB-2),
 * and when they are more than `most`.
 */
bool stream_recovers(const struct stream *s, const struct stream_position *from, uint32_t most);

#endif
