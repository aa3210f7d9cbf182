/* SPDX-License-Identifier: MIT */
/*
 * The backend: what it is asked (hooks) and told (events), as JSON over HTTP.
 *
 * Threads of its own speak with it (libcurl), so no loop waits. A question is answered once, on the loop of the
 * connection or request that it is about: with what the backend said, or with nothing when it could not be reached,
 * took too long, said too much, answered another status than 200, or is left alone for a while since it failed too
 * often (hook/breaker.h). Events are told at least once, in order (hook/outbox.h).
 */
#ifndef HOOK_HOOK_H
#define HOOK_HOOK_H

#include "base/buf.h"
#include "hook/event.h"
#include <duet/duet.h>

/* name, what it is called in the configuration and the log */
#define HOOK_KINDS_X(X)                                                                                                \
    X(CONNECT, "connect")                                                                                              \
    X(REFRESH, "refresh")                                                                                              \
    X(SUBSCRIBE, "subscribe")                                                                                          \
    X(SUB_REFRESH, "sub_refresh")                                                                                      \
    X(PUBLISH, "publish")                                                                                              \
    X(RPC, "rpc")                                                                                                      \
    X(SEND, "send")

enum hook_kind {
#define HOOK_ENUM(name, text) HOOK_##name,
    HOOK_KINDS_X(HOOK_ENUM)
#undef HOOK_ENUM
        HOOK_KINDS
};

enum { HOOK_WHY = 200, HOOK_ASKED_MOST = 4096 };

struct hooks;

struct hooks_config {
    const char *urls[HOOK_KINDS]; /* NULL: nobody is asked. Borrowed, as all strings */
    const char *events_url;       /* NULL: nothing is told */
    const char *folder;           /* where events wait; NULL: a restart forgets those that were not taken */
    unsigned timeout_ms;          /* for an answer */
    unsigned retry_ms;            /* before events are told again, at first; 0: a second */
    void (*log)(void *arg, const duet_log_event *event);
    void *arg;
};

/* 0; or a negative error, and `why`. */
int hooks_new(struct hooks **out, const struct hooks_config *config, char why[HOOK_WHY]);
/* When no server turns any more, and before they are freed: nobody is asked any more; questions have an answer, which
 * comes when its server is freed, or now, without memory for that; and what is to be told is told, if the backend takes
 * it soon. Else it waits for the next start. NULL is fine. */
void hooks_stop(struct hooks *h);
/* After the servers, since clients leave with them. NULL is fine. */
void hooks_free(struct hooks *h);

/* Whether the backend is asked about this. NULL: it is not. */
bool hooks_has(const struct hooks *h, enum hook_kind kind);

/* What came back. `body` is NULL when it is nothing. */
struct hook_answer {
    const char *body;
    size_t len;
};

struct hook_question {
    enum hook_kind kind;
    struct buf *body;   /* JSON; taken, either way */
    const char *fields; /* more of the head, "Name: value\r\n" each; copied. NULL: none */
    duet_server *server;
    uint64_t id, tag; /* of the connection or request; the caller's own */
    void (*done)(duet_server *s, uint64_t id, uint64_t tag, const struct hook_answer *answer);
};

/* Any thread. 0: `done` is called once, later; DUET_ERR_NOMEM; DUET_ERR_LIMIT: too many are asked already;
 * DUET_ERR_CLOSED: nobody is asked any more. */
int hooks_ask(struct hooks *h, const struct hook_question *q);

/* Any thread; waits for nothing. NULL: nobody is told. */
void hooks_tell(struct hooks *h, const struct hook_event *e);

struct hooks_stats {
    uint64_t asked[HOOK_KINDS], failed[HOOK_KINDS]; /* failed: of those asked, or not asked for the breaker's sake */
    uint64_t waiting, events_waiting, events_told, events_dropped;
};
void hooks_read_stats(struct hooks *h, struct hooks_stats *out);
const char *hook_name(enum hook_kind kind);

#endif
