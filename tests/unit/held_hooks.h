/* SPDX-License-Identifier: MIT */
/*
 * A backend that is the test: what is asked is kept as text, and answered when and as the test says. It stands in the
 * place of hook/hook.c, which is so not linked.
 */
#ifndef TESTS_HELD_HOOKS_H
#define TESTS_HELD_HOOKS_H

#include "base/mem.h"
#include "hook/hook.h"
#include "wire.h"

enum { HELD_ASKED = 256 };

struct hooks {
    bool has[HOOK_KINDS];
    bool full; /* takes no question */
    struct held_question {
        enum hook_kind kind;
        char text[4096], fields[256]; /* fields "": none */
        struct hook_question is;
        const char *answer; /* NULL: none comes */
        bool answered;
        long fail_at;        /* the allocation that fails while it is answered; -1: none */
        unsigned long asked; /* how many there were */
    } asked[HELD_ASKED];
    unsigned count, seen; /* seen: by held_expect() */
    char told[8192];      /* a line for each event */
};

static struct hooks held;

bool hooks_has(const struct hooks *h, enum hook_kind kind)
{
    return h != NULL && h->has[kind];
}

int hooks_ask(struct hooks *h, const struct hook_question *q)
{
    bool failed = q->body->failed, good = !h->full && !failed;
    assert_true(h->has[q->kind]);
    if (good) {
        assert_true(h->count < HELD_ASKED);
        struct held_question *a = &h->asked[h->count++];
        *a = (struct held_question){ .kind = q->kind, .is = *q, .fail_at = -1 };
        snprintf(a->text, sizeof(a->text), "%.*s", (int)q->body->len, q->body->at);
        snprintf(a->fields, sizeof(a->fields), "%s", q->fields ? q->fields : "");
    }
    buf_fini(q->body);
    return good ? 0 : failed ? DUET_ERR_NOMEM : DUET_ERR_LIMIT;
}

void hooks_tell(struct hooks *h, const struct hook_event *e)
{
    size_t len = strlen(h->told);
    snprintf(h->told + len, sizeof(h->told) - len, "%s %d %llu %.*s %.*s %.*s\n", e->type, (int)e->by,
             (unsigned long long)e->time_ms, (int)e->channel_len, e->channel_len ? e->channel : "", (int)e->client_len,
             e->client_len ? e->client : "", (int)e->user_len, e->user_len ? e->user : "");
}

static inline void held_deliver(duet_server *s, uint64_t id, void *arg)
{
    struct held_question *a = arg;
    /* It is gone when the call is over, as is the real one. */
    char *copy = a->answer ? strdup(a->answer) : NULL;
    struct hook_answer answer = { copy, copy ? strlen(copy) : 0 };
    if (a->fail_at >= 0)
        mem_fail((unsigned long)a->fail_at, false);
    a->is.done(s, id, a->is.tag, &answer);
    if (a->fail_at >= 0)
        a->asked = mem_fail_end();
    free(copy);
    a->answered = true;
}

/* Question `n` (from 0), on its loop; it has happened when this returns. */
static inline void held_answer(unsigned n, const char *text)
{
    struct held_question *a = &held.asked[n];
    assert_true(n < held.count && !a->answered);
    a->answer = text;
    assert_int_equal(duet_post(a->is.server, a->is.id, held_deliver, a), 0);
    for (int i = 0; i < WIRE_TURNS && !a->answered; i++)
        wire_turn();
    assert_true(a->answered);
}

/* The next question is this; its number. */
static inline unsigned held_expect(enum hook_kind kind, const char *text)
{
    unsigned n = held.seen++;
    for (int i = 0; i < WIRE_TURNS && held.count <= n; i++)
        wire_turn();
    assert_true(n < held.count);
    assert_int_equal(held.asked[n].kind, kind);
    assert_string_equal(held.asked[n].text, text);
    return n;
}

/* As when the hooks stop: whoever waits has an answer, and that is none. */
static inline void held_end(void)
{
    held.full = true;
    for (unsigned n = 0; n < held.count; n++)
        if (!held.asked[n].answered)
            held_answer(n, NULL);
}

#endif
