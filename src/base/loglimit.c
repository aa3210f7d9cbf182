/* SPDX-License-Identifier: MIT */
#include "base/loglimit.h"
#include <string.h>

enum { OTHER = LOGLIMIT_REASONS - 1 };

/* A clock that went backwards begins a new second, too. */
static bool is_over(const struct loglimit_reason *r, uint64_t now_ms)
{
    return now_ms - r->since_ms >= 1000;
}

static struct loglimit_reason *begun(struct loglimit_reason *r, const char *name, size_t len, uint64_t now_ms)
{
    *r = (struct loglimit_reason){ .since_ms = now_ms };
    memcpy(r->name, name, len);
    return r;
}

/* The place of a reason: its own, a new one, one that is over with nothing left to tell, or the shared one. */
static struct loglimit_reason *place(struct loglimit *l, const char *name, uint64_t now_ms)
{
    struct loglimit_reason *idle = NULL;
    size_t len = strnlen(name, LOGLIMIT_NAME - 1);
    for (size_t i = 0; i < l->count; i++) {
        struct loglimit_reason *r = &l->reasons[i];
        if (memcmp(r->name, name, len) == 0 && r->name[len] == '\0')
            return r;
        if (r->suppressed == 0 && is_over(r, now_ms))
            idle = r;
    }
    if (l->count < OTHER)
        return begun(&l->reasons[l->count++], name, len, now_ms);
    if (idle != NULL)
        return begun(idle, name, len, now_ms);
    struct loglimit_reason *other = &l->reasons[OTHER];
    return other->name[0] ? other : begun(other, "other", 5, now_ms);
}

bool loglimit_take(struct loglimit *l, const char *reason, uint64_t now_ms, uint64_t *suppressed)
{
    struct loglimit_reason *r = place(l, reason ? reason : "", now_ms);
    *suppressed = 0;
    if (is_over(r, now_ms)) {
        r->since_ms = now_ms;
        r->logged = 0;
    }
    if (r->logged >= LOGLIMIT_EACH_SECOND) {
        r->suppressed++;
        return false;
    }
    r->logged++;
    *suppressed = r->suppressed;
    r->suppressed = 0;
    return true;
}

const char *loglimit_due(struct loglimit *l, uint64_t now_ms, uint64_t *suppressed)
{
    for (size_t i = 0; i < LOGLIMIT_REASONS; i++) {
        struct loglimit_reason *r = &l->reasons[i];
        if (r->suppressed > 0 && is_over(r, now_ms)) {
            *suppressed = r->suppressed;
            r->suppressed = 0;
            return r->name;
        }
    }
    return NULL;
}
