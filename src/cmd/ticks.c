/* SPDX-License-Identifier: MIT */
#include "cmd/ticks.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { KEPT = 100, EVERY_MS = 200, POLL_LASTS_MS = 10000, LOWEST = 5000, HIGHEST = 15000 };

struct tick {
    uint64_t n, at_ms;
    unsigned cents;
};

struct ticks {
    struct hub *hub;
    duet_timer *timer;
    duet_watch *watch;
    int wanted_fd; /* readable: somebody looks again */
    pthread_mutex_t lock;
    /* Under `lock`. */
    bool running;
    unsigned members;
    uint64_t polled_ms;     /* when it was last asked for, by the wall clock; 0: never */
    struct tick last[KEPT]; /* number n is at n % KEPT */
    uint64_t n;
    unsigned cents;
    uint32_t random;
};

static bool is_wanted(const struct ticks *t, uint64_t now)
{
    return t->members > 0 || (t->polled_ms != 0 && now - t->polled_ms < POLL_LASTS_MS);
}

/* A step of at most half a unit, up or down. */
static void move_price(struct ticks *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 17;
    t->random ^= t->random << 5;
    t->cents = t->cents + t->random % 101 - 50;
    if (t->cents < LOWEST || t->cents > HIGHEST)
        t->cents = (LOWEST + HIGHEST) / 2;
}

static int format(char *out, size_t cap, const struct tick *tick)
{
    return snprintf(out, cap, "{\"n\":%" PRIu64 ",\"t\":%" PRIu64 ",\"price\":%u.%02u}", tick->n, tick->at_ms,
                    tick->cents / 100, tick->cents % 100);
}

static void due(void *arg)
{
    struct ticks *t = arg;
    char text[128];
    int len = 0;
    uint64_t now = clock_wall_ms();
    pthread_mutex_lock(&t->lock);
    t->running = is_wanted(t, now);
    if (t->running) {
        move_price(t);
        t->n++;
        struct tick *tick = &t->last[t->n % KEPT];
        *tick = (struct tick){ t->n, now, t->cents };
        len = format(text, sizeof(text), tick);
    }
    pthread_mutex_unlock(&t->lock);
    if (len == 0)
        return;
    duet_timer_set(t->timer, EVERY_MS);
    hub_publish(t->hub,
                &(struct hub_publish){ .channel = TICKS_CHANNEL,
                                       .len = strlen(TICKS_CHANNEL),
                                       .parts = { .kind = HUB_JSON, .data = text, .len = (size_t)len } },
                NULL);
}

static void wanted(void *arg, int fd, int events)
{
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof(count));
    (void)ignored;
    (void)events;
    due(arg);
}

int ticks_new(struct ticks **out, duet_loop *loop, struct hub *hub)
{
    struct ticks *t = mem_zalloc(sizeof(*t));
    if (t == NULL)
        return DUET_ERR_NOMEM;
    pthread_mutex_init(&t->lock, NULL);
    t->hub = hub;
    t->cents = (LOWEST + HIGHEST) / 2;
    t->random = (uint32_t)clock_wall_ms() | 1;
    t->wanted_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = t->wanted_fd < 0 ? -errno : 0;
    if (rc == 0) {
        t->timer = duet_timer_new(loop, due, t);
        t->watch = duet_loop_watch(loop, t->wanted_fd, DUET_READABLE, wanted, t);
        rc = t->timer && t->watch ? 0 : DUET_ERR_NOMEM;
    }
    if (rc < 0) {
        ticks_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void ticks_free(struct ticks *t)
{
    if (t == NULL)
        return;
    duet_timer_free(t->timer);
    duet_watch_free(t->watch);
    if (t->wanted_fd >= 0)
        close(t->wanted_fd);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

/* Under the lock. */
static void start(struct ticks *t)
{
    uint64_t one = 1;
    if (t->running)
        return;
    t->running = true;
    ssize_t ignored = write(t->wanted_fd, &one, sizeof(one));
    (void)ignored;
}

void ticks_member(struct ticks *t, bool joined)
{
    pthread_mutex_lock(&t->lock);
    t->members += joined ? 1u : -1u;
    if (joined)
        start(t);
    pthread_mutex_unlock(&t->lock);
}

static void put_after(struct ticks *t, uint64_t after, struct buf *b)
{
    uint64_t from = t->n > KEPT ? t->n - KEPT + 1 : 1;
    if (after >= from)
        from = after + 1;
    for (uint64_t n = from; n != 0 && n <= t->n; n++) {
        char text[128];
        int len = format(text, sizeof(text), &t->last[n % KEPT]);
        buf_puts(b, n > from ? "," : "");
        buf_put(b, text, (size_t)len);
    }
}

void ticks_answer(struct ticks *t, duet_http *x, const duet_request *r)
{
    static const duet_header headers[] = {
        { "Content-Type", "application/json" },
        { "Cache-Control", "no-store" },
        { NULL, NULL },
    };
    char text[32] = "";
    struct buf b;
    duet_request_param(r, "after", text, sizeof(text));
    uint64_t after = text[0] == '-' ? 0 : strtoull(text, NULL, 10);
    buf_init(&b, NULL, 0);
    buf_puts(&b, "[");
    pthread_mutex_lock(&t->lock);
    t->polled_ms = clock_wall_ms();
    start(t);
    put_after(t, after, &b);
    pthread_mutex_unlock(&t->lock);
    buf_puts(&b, "]");
    if (b.failed || duet_http_reply(x, 200, headers, b.at, b.len) < 0)
        duet_http_text(x, 503, "out of memory, try again later");
    buf_fini(&b);
}
