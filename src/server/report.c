/* SPDX-License-Identifier: MIT */
/* One event and one count for each refusal, failure and drop. */
#include "server/server.h"
#include <string.h>

const char *duet_reason_text(enum duet_reason reason)
{
    static const char *const texts[] = {
#define TEXT(name) #name,
        DUET_REASONS(TEXT)
#undef TEXT
    };
    return (unsigned)reason < DUET_REASON_COUNT ? texts[reason] : "other";
}

/* Refusals are of HTTP, drops say nothing to the peer, the rest failed with a Close. */
static const char *event_name(enum duet_reason reason, int code)
{
    if (code >= 100 && code < 600)
        return "refused";
    return code >= 1000 && code < 5000 ? "failed" : reason == DUET_REASON_fds ? "accept_refused" : "dropped";
}

void report(struct server_loop *l, const duet_conn *c, enum duet_reason reason, int code, const char *target,
            const char *detail)
{
    duet_server *s = l->server;
    count_add(&l->reasons[reason], 1);
    if (s->config.log == NULL)
        return;
    char peer[64];
    duet_log_event e = { .level = DUET_LOG_WARNING,
                         .event = event_name(reason, code),
                         .reason = duet_reason_text(reason),
                         .target = target,
                         .detail = detail,
                         .code = code };
    if (c != NULL) {
        e.peer = duet_peer(c, peer);
        e.conn = c->id;
        e.bytes_in = conn_counted(c, COUNT_BYTES_IN);
        e.bytes_out = conn_counted(c, COUNT_BYTES_OUT);
        e.age_ms = duet_age_ms(c);
    }
    pthread_mutex_lock(&s->log_lock);
    if (loglimit_take(&s->log_limit, e.reason, l->loop->now_ms, &e.suppressed))
        s->config.log(s->config.arg, &e);
    pthread_mutex_unlock(&s->log_lock);
}
