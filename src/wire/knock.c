/* SPDX-License-Identifier: MIT */
#include "wire/knock.h"
#include "base/mem.h"
#include "wire/backend.h"
#include <string.h>

/* One that waits for the backend. */
struct waiting {
    struct knock knock;
    struct guest *guest;
    unsigned next; /* the channel to look at */
    bool naming;   /* it is asked who that is */
};

static const struct wire_refusal silent = { 503, "the backend does not answer, try again later" };

static void go_on(duet_http *x, struct waiting *w);

static void end(struct waiting *w)
{
    w->knock.drop(w->knock.arg);
    guest_free(w->guest);
    mem_free(w);
}

static void refuse(duet_http *x, struct waiting *w, const struct wire_refusal *no)
{
    wire_refuse(x, no);
    end(w);
}

/* What the backend said instead of a result. */
static void refuse_with(duet_http *x, struct waiting *w, const struct backend_answer *answer)
{
    const char *why = answer->text[0] != '\0' ? answer->text : "the backend does not let this in";
    if (answer->kind == BACKEND_NOTHING)
        refuse(x, w, &silent);
    else
        refuse(x, w, &(struct wire_refusal){ w->naming ? 401 : 403, why, NULL });
}

static void answered(duet_server *s, uint64_t id, uint64_t tag, const struct hook_answer *said)
{
    struct waiting *w = (struct waiting *)(uintptr_t)tag;
    duet_http *x = duet_http_find(s, id);
    struct backend_answer answer;
    uint64_t expires_ms;
    if (x == NULL) {
        end(w);
        return;
    }
    backend_read(&answer, said);
    if (answer.kind != BACKEND_RESULT) {
        refuse_with(x, w, &answer);
    } else if (!backend_expiry(answer.result, &expires_ms) ||
               (w->naming && guest_name(w->guest, answer.result) != HUB_OK)) {
        refuse(x, w, &silent);
    } else {
        if (!w->naming) {
            guest_limit(w->guest, expires_ms);
            w->next++;
        }
        w->naming = false;
        go_on(x, w);
    }
}

static void ask(duet_http *x, struct waiting *w, enum hook_kind kind)
{
    const struct wire_site *site = wire_site_of(duet_http_server(x));
    char space[1024];
    struct buf b;
    guest_question(w->guest, &b, space, sizeof(space));
    if (kind == HOOK_SUBSCRIBE)
        backend_put_text(&b, "channel", w->knock.channels[w->next], strlen(w->knock.channels[w->next]));
    buf_puts(&b, "}");
    struct hook_question q = { .kind = kind, .body = &b, .fields = guest_fields(w->guest) };
    q.server = duet_http_server(x);
    q.id = duet_http_id(x);
    q.tag = (uintptr_t)w;
    q.done = answered;
    if (hooks_ask(site->hooks, &q) < 0)
        refuse(x, w, &silent);
}

static void go_on(duet_http *x, struct waiting *w)
{
    const struct wire_site *site = wire_site_of(duet_http_server(x));
    for (; w->next < w->knock.count; w->next++) {
        const char *name = w->knock.channels[w->next];
        bool asks;
        struct wire_refusal no = guest_judge(w->guest, site, name, strlen(name), &asks);
        if (no.why != NULL) {
            refuse(x, w, &no);
            return;
        }
        if (asks) {
            ask(x, w, HOOK_SUBSCRIBE);
            return;
        }
    }
    w->knock.open(x, w->guest, w->knock.arg);
    mem_free(w);
}

void knock_at(duet_http *x, const duet_request *r, const struct knock *k)
{
    const struct wire_site *site = wire_site_of(duet_http_server(x));
    struct waiting *w = mem_zalloc(sizeof(*w));
    if (w == NULL) {
        wire_refuse(x, &wire_no_memory);
        k->drop(k->arg);
        return;
    }
    w->knock = *k;
    struct wire_refusal no = guest_read(&w->guest, site, r, k->transport, &w->naming);
    if (no.why != NULL)
        refuse(x, w, &no);
    else if (w->naming)
        ask(x, w, HOOK_CONNECT);
    else
        go_on(x, w);
}
