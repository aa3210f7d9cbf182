/* SPDX-License-Identifier: MIT */
/* Reading what a channel keeps and who is there, without subscribing. */
#include "base/map.h"
#include "base/mem.h"
#include "hub/core.h"
#include <string.h>

/* Which offsets a page has: `*from` up (or down, `reverse`) `*count`. */
static enum hub_error bounds(const struct channel *c, const struct hub_history *what, uint64_t *from, uint32_t *count)
{
    const struct stream *s = &c->stream;
    uint64_t oldest = stream_oldest(s), first = oldest, last = s->top, most = c->hub->config.limits.recovery_max;
    *count = 0;
    *from = what->reverse ? last : first;
    if (what->has_since && what->since.epoch[0] != '\0' && strcmp(what->since.epoch, s->epoch) != 0)
        return HUB_ERROR_UNRECOVERABLE;
    if (what->has_since && what->reverse && what->since.offset == 0)
        return HUB_ERROR_BAD_REQUEST;
    if (what->limit > 0 && (uint64_t)what->limit < most)
        most = (uint64_t)what->limit;
    if (what->has_since && what->reverse && what->since.offset <= last)
        last = what->since.offset - 1;
    if (what->has_since && !what->reverse && what->since.offset >= first)
        first = what->since.offset == UINT64_MAX ? UINT64_MAX : what->since.offset + 1;
    *from = what->reverse ? last : first;
    if (what->limit != 0 && first <= last && last >= oldest)
        *count = (uint32_t)(last - first + 1 < most ? last - first + 1 : most);
    return HUB_OK;
}

/* With the lock held; its publications have a reference each. */
static void fill(struct channel *c, const struct hub_history *what, struct hub_page *page, struct publication ***all)
{
    uint64_t from;
    stream_expire(&c->stream, channel_options(c)->history_ttl_ms, hub_now(c->hub));
    memcpy(page->epoch, c->stream.epoch, sizeof(page->epoch));
    page->top = c->stream.top;
    page->error = bounds(c, what, &from, &page->count);
    if (page->error != HUB_OK || page->count == 0)
        return;
    *all = mem_alloc(page->count * sizeof(struct publication *));
    if (*all == NULL) {
        page->error = HUB_ERROR_INTERNAL;
        page->count = 0;
        return;
    }
    for (uint32_t i = 0; i < page->count; i++)
        (*all)[i] = publication_ref(stream_at(&c->stream, what->reverse ? from - i : from + i));
    page->publications = *all;
}

static void give(struct hub_page *page, struct publication **all, const struct hub_pager *to)
{
    to->done(to->server, to->id, to->tag, page);
    for (uint32_t i = 0; i < page->count; i++)
        publication_unref(all[i]);
    mem_free(all);
}

struct waiting {
    struct posting posting; /* first */
    struct waiter waiter;
    struct channel *channel;
    struct hub_history what;
    struct hub_pager to;
    int error;
};

static void read_page(struct channel *c, const struct hub_history *what, const struct hub_pager *to);

static void run_again(duet_server *server, uint64_t id, void *arg)
{
    struct waiting *w = arg;
    (void)server;
    (void)id;
    if (w->error < 0) {
        give(&(struct hub_page){ .error = HUB_ERROR_INTERNAL }, NULL, &w->to);
        hub_release(w->channel);
    } else {
        read_page(w->channel, &w->what, &w->to);
    }
    mem_free(w);
}

static void loaded(struct channel *c, struct waiter *waiter, int error)
{
    struct waiting *w = (struct waiting *)(void *)((char *)waiter - offsetof(struct waiting, waiter));
    w->error = error;
    hub_post(c->hub, &w->posting);
}

/* Takes the reference. */
static void read_page(struct channel *c, const struct hub_history *what, const struct hub_pager *to)
{
    struct hub_page page = { .error = HUB_ERROR_INTERNAL };
    struct publication **all = NULL;
    pthread_mutex_lock(&c->lock);
    struct waiting *w = c->state == CHANNEL_READY ? NULL : mem_alloc(sizeof(*w));
    if (w != NULL)
        *w = (struct waiting){ .posting = { .server = to->server, .id = to->id, .run = run_again },
                               .waiter.loaded = loaded,
                               .channel = c,
                               .what = *what,
                               .to = *to };
    enum channel_use use = channel_use(c, w ? &w->waiter : NULL);
    if (use == CHANNEL_USE)
        fill(c, what, &page, &all);
    pthread_mutex_unlock(&c->lock);
    if (use == CHANNEL_WAIT)
        return;
    mem_free(w);
    give(&page, all, to);
    hub_release(c);
}

void hub_read_history(struct hub *h, const struct hub_history *what, const struct hub_pager *to)
{
    enum hub_error error;
    struct channel *c = hub_channel(h, what->channel, what->len, &error);
    if (c != NULL && !channel_keeps(c)) {
        error = HUB_ERROR_NOT_AVAILABLE;
        hub_release(c);
        c = NULL;
    }
    if (c == NULL)
        give(&(struct hub_page){ .error = error }, NULL, to);
    else
        read_page(c, what, to);
}

void hub_remove_history(struct hub *h, const char *channel, size_t len)
{
    struct engine *e = h->config.engine;
    struct channel *c = hub_channel_known(h, channel, len);
    uint64_t top = UINT64_MAX;
    if (c != NULL) {
        pthread_mutex_lock(&c->lock);
        size_t bytes = c->stream.bytes;
        stream_clear(&c->stream);
        channel_account(c, bytes);
        if (c->state == CHANNEL_READY)
            top = c->stream.top;
        pthread_mutex_unlock(&c->lock);
        hub_release(c);
    }
    if (e != NULL)
        e->ops->clear(e, channel, len, top);
}

/* How many users the subscribers of a channel are, with its lock held; or DUET_ERR_NOMEM. */
static long count_users(struct channel *c, const uint64_t key[2])
{
    struct map seen;
    int rc = 0;
    map_init(&seen, key);
    for (uint32_t i = 0; i < c->sub_count && rc >= 0; i++) {
        const struct session *s = c->subs[i]->session;
        if (!c->subs[i]->unseen && map_get(&seen, s->user, s->user_len) == NULL)
            rc = map_put(&seen, s->user, s->user_len, c);
    }
    long users = rc < 0 ? rc : (long)seen.count;
    map_fini(&seen);
    return users;
}

long hub_presence(struct hub *h, const char *channel, size_t len, size_t *users,
                  void (*each)(void *arg, const char *client, const char *info, size_t info_len), void *arg)
{
    struct channel *c = hub_channel_known(h, channel, len);
    long counted = 0;
    if (users != NULL)
        *users = 0;
    if (c == NULL)
        return 0;
    pthread_mutex_lock(&c->lock);
    long count = 0;
    for (uint32_t i = 0; i < c->sub_count; i++) {
        const struct subscription *sub = c->subs[i];
        const struct session *s = sub->session;
        if (sub->unseen)
            continue;
        count++;
        if (each != NULL)
            each(arg, s->client, sub->info ? sub->info : s->info, sub->info ? sub->info_len : s->info_len);
    }
    if (users != NULL && (counted = count_users(c, h->channels.key)) >= 0)
        *users = (size_t)counted;
    pthread_mutex_unlock(&c->lock);
    hub_release(c);
    return counted < 0 ? counted : count;
}
