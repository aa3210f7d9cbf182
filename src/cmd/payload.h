/* SPDX-License-Identifier: MIT */
/*
 * What the messages of a load hold: whose it is and which, then bytes that only this one message has there.
 *
 *   8 characters of base64url: 20 bits connection, 28 bits number     the pattern, from an offset that both name
 *
 * So one comparison proves a whole message, and it is valid as text too. The pattern is random, from a seed; as text
 * it is letters and digits, as mixed text characters of one to four bytes in pieces of 12 bytes, so that it can be
 * cut anywhere between them.
 */
#ifndef CMD_PAYLOAD_H
#define CMD_PAYLOAD_H

#include <duet/conn.h>

enum {
    PAYLOAD_LEAST = 8,
    PAYLOAD_MOST = 16 * 1024 * 1024,
    PAYLOAD_CONNECTIONS = 1 << 20, /* numbers are below */
    PAYLOAD_SIZES = 16
};

enum payload_kind { PAYLOAD_BINARY, PAYLOAD_TEXT, PAYLOAD_MIXED };

/* Sizes of messages: one, a list from which each message takes one, or all from sizes[0] to sizes[1]. */
struct payload_sizes {
    size_t sizes[PAYLOAD_SIZES];
    unsigned count;
    bool range;
};

struct payload {
    enum payload_kind kind;
    struct payload_sizes sizes;
    uint8_t *pattern;
    size_t spread_at;  /* where the head of a message was written into the pattern */
    size_t spread_len; /* of that message; 0: the pattern is whole */
    uint8_t under_head[PAYLOAD_LEAST], under_tail[16];
};

/* "20", "16k", "20,1k,16k" or "1k-16k". False: it is none of these, or not within the limits. */
bool payload_read_sizes(struct payload_sizes *out, const char *text);
size_t payload_largest(const struct payload_sizes *s);

/* 0 or DUET_ERR_NOMEM; payload_fini() either way. */
int payload_init(struct payload *p, enum payload_kind kind, const struct payload_sizes *sizes, uint64_t seed);
void payload_fini(struct payload *p);

duet_type payload_type(const struct payload *p);
/* The message, good until the next call with `p`. Of `number` the low 28 bits count. */
const void *payload_make(struct payload *p, uint32_t connection, uint64_t number, size_t *len);
/* Whose message it is, as far as its head tells; `number` is the one nearest to `about`. False: it has no such head. */
bool payload_whose(const void *data, size_t len, uint64_t about, uint32_t *connection, uint64_t *number);
/* Whether every byte is as payload_make() made it. */
bool payload_is(struct payload *p, duet_type type, const void *data, size_t len, uint32_t connection, uint64_t number);

#endif
