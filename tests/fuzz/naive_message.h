/* SPDX-License-Identifier: MIT */
/* What a connection says to frames without extensions (RFC 6455 5.4 to 5.6, 7.4, 8.1), read a byte at a time. */
#ifndef TESTS_FUZZ_NAIVE_MESSAGE_H
#define TESTS_FUZZ_NAIVE_MESSAGE_H

#include "fuzz.h"
#include "naive_frame.h"
#include "naive_utf8.h"
#include "proto/close.h"
#include <duet/proto.h>

struct naive_message {
    struct naive_frame frame;
    unsigned type; /* of the message that is coming; 0: none is */
    uint64_t total, fragments;
    uint8_t *bytes, control[125];
    size_t len, good, control_len; /* good: so far it is whole characters */
    uint64_t left;
    bool over;
    int error;
    uint64_t heard;
};

/* One event, as both readers tell it. */
static inline void naive_say(uint64_t *heard, unsigned kind, unsigned type, unsigned code, const void *data, size_t len)
{
    unsigned what[] = { kind, type, code };
    *heard = hashed(hashed(*heard, what, sizeof(what)), data, len);
}

static inline void naive_fails(struct naive_message *m, int error)
{
    m->error = error;
    m->over = true;
}

static inline void naive_begins(struct naive_message *m, uint64_t most)
{
    const struct naive_frame *f = &m->frame;
    m->left = f->length;
    if (f->opcode >= 8) {
        m->control_len = 0;
        return;
    }
    if ((f->opcode == 0) != (m->type != 0)) {
        naive_fails(m, DUET_ERR_PROTOCOL);
        return;
    }
    if (f->opcode != 0) {
        m->type = f->opcode;
        m->total = m->fragments = m->len = m->good = 0;
    }
    m->fragments++;
    if (f->length > most - m->total)
        naive_fails(m, DUET_ERR_TOO_BIG);
    else if ((m->total += f->length) < 16 * m->fragments && m->fragments > 256)
        naive_fails(m, DUET_ERR_POLICY);
}

static inline void naive_ends(struct naive_message *m)
{
    const struct naive_frame *f = &m->frame;
    const uint8_t *c = m->control;
    if (f->opcode == 9 || f->opcode == 10) {
        naive_say(&m->heard, f->opcode == 9 ? DUET_EVENT_PING : DUET_EVENT_PONG, 0, 0, c, m->control_len);
    } else if (f->opcode == 8) {
        unsigned code = m->control_len > 1 ? c[0] * 256u + c[1] : 1005;
        if (m->control_len == 1 || (m->control_len > 1 && !close_code_valid(code))) {
            naive_fails(m, DUET_ERR_PROTOCOL);
        } else if (m->control_len > 2 && naive_good(c + 2, m->control_len - 2) < m->control_len - 2) {
            naive_fails(m, DUET_ERR_UTF8);
        } else {
            size_t reason = m->control_len > 2 ? m->control_len - 2 : 0;
            naive_say(&m->heard, DUET_EVENT_CLOSE, 0, code, c + 2, reason);
            m->over = true;
        }
    } else if (f->final) {
        if (m->type == DUET_TEXT && m->good < m->len)
            naive_fails(m, DUET_ERR_UTF8);
        else
            naive_say(&m->heard, DUET_EVENT_MESSAGE, m->type, 0, m->bytes, m->len);
        m->type = 0;
    }
}

static inline void naive_payload(struct naive_message *m, uint8_t byte)
{
    struct naive_frame *f = &m->frame;
    if (f->masked)
        byte ^= f->key[(f->length - m->left) % 4];
    m->left--;
    if (f->opcode >= 8) {
        m->control[m->control_len++] = byte;
        return;
    }
    m->bytes[m->len++] = byte;
    m->good += naive_good(m->bytes + m->good, m->len - m->good);
    if (m->type == DUET_TEXT && !naive_begins_text(m->bytes + m->good, m->len - m->good))
        naive_fails(m, DUET_ERR_UTF8);
}

/* What is heard of these bytes, as a hash; the error last. */
static inline uint64_t naive_read(const uint8_t *data, size_t len, bool masked, uint64_t most)
{
    struct naive_message m = { .bytes = malloc(len + 1) };
    bool head = true;
    CHECK(m.bytes != NULL);
    m.frame.due_masked = masked;
    for (size_t i = 0; i < len && !m.over; i++) {
        if (head) {
            naive_frame_byte(&m.frame, data[i]);
            if (m.frame.state == NAIVE_BAD)
                naive_fails(&m, DUET_ERR_PROTOCOL);
            if (m.frame.state != NAIVE_HEAD)
                continue;
            naive_begins(&m, most);
            head = false;
        } else {
            naive_payload(&m, data[i]);
        }
        if (m.left > 0 || m.over)
            continue;
        naive_ends(&m);
        m.frame = (struct naive_frame){ .due_masked = masked };
        head = true;
    }
    free(m.bytes);
    return hashed(m.heard, &m.error, sizeof(m.error));
}

#endif
