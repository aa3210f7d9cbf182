/* SPDX-License-Identifier: MIT */
/*
 * Bots for the game: each is a player with a connection of its own, which knows no more than a page. It makes for the
 * gem that is nearest, and fires now and then.
 */
#ifndef EXAMPLES_BOTS_H
#define EXAMPLES_BOTS_H

#include "beat.h"
#include "game.h"
#include <duet/duet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BOTS_WAVES = 8,         /* they take their steps in turns, as people would, not all at once */
    BOTS_REMEMBERED = 64,   /* when the last inputs were sent */
    BOTS_OPENING = 20       /* that connect at once */
};

struct bot {
    duet_client *client;
    bool plays;
    uint32_t number, seen;
    int8_t right, down;
    uint64_t sent_us[BOTS_REMEMBERED], heard_us;
};

/* Of all bots together: how long it took from an input to the STATE that has it, and from one STATE to the next. In ms,
 * the last counts what took longer. */
struct bots_figures {
    uint64_t states, bytes, answers[1000], gaps[1000];
    uint32_t late_us;
};

static struct bot bots_all[SHIPS];
static unsigned bots_count, bots_known;
static struct bots_figures bots_figures;
static duet_client_group *bots_group;
static const char *bots_url;

static uint64_t bots_now_us(void)
{
    return beat_now_ns() / 1000;
}

static struct bot *bot_of(const duet_conn *c)
{
    return duet_client_arg(duet_client_of(c));
}

static void bots_count_ms(uint64_t *counts, uint64_t us)
{
    counts[us / 1000 < 999 ? us / 1000 : 999]++;
}

static void bot_open(duet_conn *c)
{
    struct join j = { .kind = JOIN };
    snprintf((char *)j.name, sizeof(j.name), "Bot %d", (int)(bot_of(c) - bots_all) + 1);
    duet_send(c, DUET_BINARY, &j, sizeof(j));
}

/* Towards the nearest gem of what it sees; with none in sight on as before. */
static void bot_choose(struct bot *b, const struct state *s, const uint8_t *things)
{
    long nearest = -1;
    for (unsigned i = 0; i < le16toh(s->things); i++) {
        struct seen t;
        memcpy(&t, things + i * sizeof(t), sizeof(t));
        if (le16toh(t.id) < FIRST_GEM || le16toh(t.id) >= FIRST_BOLT)
            continue;
        long x = (int16_t)(le16toh(t.x) - le16toh(s->x)), y = (int16_t)(le16toh(t.y) - le16toh(s->y));
        if (nearest >= 0 && x * x + y * y >= nearest)
            continue;
        nearest = x * x + y * y;
        long longest = labs(x) > labs(y) ? labs(x) : labs(y);
        b->right = (int8_t)(longest > 0 ? x * 89 / longest : 0); /* 89: no more than 127 on the diagonal */
        b->down = (int8_t)(longest > 0 ? y * 89 / longest : 0);
    }
}

static void bot_take_state(struct bot *b, const uint8_t *data, size_t len)
{
    struct state s;
    uint64_t now = bots_now_us();
    memcpy(&s, data, sizeof(s));
    if (len != sizeof(s) + le16toh(s.things) * sizeof(struct seen) + s.names * sizeof(struct name))
        return;
    uint32_t number = le32toh(s.number);
    if (number != 0 && b->number - number < BOTS_REMEMBERED && b->sent_us[number % BOTS_REMEMBERED] != 0) {
        bots_count_ms(bots_figures.answers, now - b->sent_us[number % BOTS_REMEMBERED]);
        b->sent_us[number % BOTS_REMEMBERED] = 0;
    }
    if (b->heard_us != 0)
        bots_count_ms(bots_figures.gaps, now - b->heard_us);
    b->heard_us = now;
    b->seen = le32toh(s.tick);
    bots_figures.states++;
    bots_figures.bytes += len;
    bot_choose(b, &s, data + sizeof(s));
}

static void bot_message(duet_conn *c, const duet_msg *m)
{
    struct bot *b = bot_of(c);
    const uint8_t *data = m->data;
    if (m->len >= sizeof(struct welcome) && data[0] == WELCOME) {
        b->plays = true;
        b->right = (int8_t)(random() % 179 - 89);
        b->down = (int8_t)(random() % 179 - 89);
    } else if (m->len >= sizeof(struct state) && data[0] == STATE) {
        bot_take_state(b, data, m->len);
    } else if (m->len >= offsetof(struct scores, line) && data[0] == SCORES) {
        struct scores s;
        memcpy(&s, data, offsetof(struct scores, line));
        bots_figures.late_us = le32toh(s.late_us);
    }
}

static void bot_close(duet_conn *c, const duet_closing *why)
{
    struct bot *b = bot_of(c);
    (void)why;
    b->plays = false;
    b->number = 0;
    b->heard_us = 0;
}

static void bot_step(struct bot *b)
{
    duet_conn *c = duet_client_conn(b->client);
    if (!b->plays || c == NULL)
        return;
    struct input in = { .kind = INPUT,
                        .fires = random() % 40 == 0,
                        .right = b->right,
                        .down = b->down,
                        .number = htole32(++b->number),
                        .seen = htole32(b->seen) };
    b->sent_us[b->number % BOTS_REMEMBERED] = bots_now_us();
    duet_send(c, DUET_BINARY, &in, sizeof(in));
}

/* Another few of them come, until all are there. */
static void bots_connect(duet_loop *loop)
{
    for (unsigned i = 0; i < BOTS_OPENING && bots_known < bots_count; i++) {
        struct bot *b = &bots_all[bots_known];
        duet_client_config config = {
            DUET_CLIENT_CONFIG_INIT,
            .url = bots_url,
            .on = { .open = bot_open, .message = bot_message, .close = bot_close },
            .arg = b,
            .retry = true,
            .group = bots_group,
        };
        if (duet_connect(&b->client, loop, &config, NULL) < 0)
            return; /* and once more at the next beat */
        bots_known++;
    }
}

static void bots_step(struct beat *b, uint64_t beats)
{
    static unsigned wave;
    bots_connect(b->arg);
    for (; beats > 0; beats--, wave++)
        for (unsigned i = wave % BOTS_WAVES; i < bots_known; i += BOTS_WAVES)
            bot_step(&bots_all[i]);
}
static struct beat bots_beat = { .due = bots_step };

/* `count` of them play at `url`, which is borrowed, until bots_stop(). 0 or a negative error. */
static int bots_start(duet_loop *loop, const char *url, unsigned count)
{
    bots_url = url;
    bots_count = count;
    if (count == 0)
        return 0;
    bots_beat.arg = loop;
    int rc = duet_client_group_new(&bots_group, loop);
    return rc < 0 ? rc : beat_start(&bots_beat, loop, TICKS_PER_S * BOTS_WAVES);
}

static void bots_stop(void)
{
    for (unsigned i = 0; i < bots_known; i++)
        duet_client_free(bots_all[i].client);
    duet_client_group_free(bots_group);
    beat_stop(&bots_beat);
}

static unsigned bots_within(const uint64_t *counts, unsigned per_thousand)
{
    uint64_t all = 0, sum = 0;
    unsigned ms = 0;
    for (unsigned i = 0; i < 1000; i++)
        all += counts[i];
    while (ms < 999 && (sum += counts[ms]) * 1000 < all * per_thousand)
        ms++;
    return ms + 1;
}

static void bots_tell(double seconds)
{
    unsigned playing = 0;
    for (unsigned i = 0; i < bots_known; i++)
        playing += bots_all[i].plays;
    const struct bots_figures *f = &bots_figures;
    printf("%u bots play; %.0f states a second to each, of %.0f bytes\n", playing,
           playing ? (double)f->states / seconds / playing : 0, f->states ? (double)f->bytes / (double)f->states : 0);
    printf("from an input to the state that has it: half within %u ms, 99 %% within %u ms, 99.9 %% within %u ms\n",
           bots_within(f->answers, 500), bots_within(f->answers, 990), bots_within(f->answers, 999));
    printf("from one state to the next: 99 %% within %u ms, 99.9 %% within %u ms\n", bots_within(f->gaps, 990),
           bots_within(f->gaps, 999));
    printf("the server's ticks began late: 99 %% by at most %u us\n", f->late_us);
}

static void bots_forget(void *unused)
{
    (void)unused;
    memset(&bots_figures, 0, sizeof(bots_figures));
}

static void bots_end(void *loop)
{
    duet_loop_stop(loop);
}

/* Bots alone, which come within five seconds, and are measured for so many behind them. 0 or 1. */
static int bots_play(duet_loop *loop, const char *url, unsigned count, unsigned seconds)
{
    enum { COME_MS = 5000 };
    duet_timer *begin = duet_timer_new(loop, bots_forget, NULL), *end = duet_timer_new(loop, bots_end, loop);
    int rc = begin != NULL && end != NULL ? bots_start(loop, url, count) : DUET_ERR_NOMEM;
    if (rc == 0) {
        duet_timer_set(begin, COME_MS);
        duet_timer_set(end, COME_MS + seconds * 1000);
        rc = duet_loop_run(loop);
    }
    if (rc == 0)
        bots_tell(seconds);
    else
        fprintf(stderr, "game: %s\n", duet_strerror(rc));
    bots_stop();
    duet_timer_free(begin);
    duet_timer_free(end);
    return rc < 0;
}

#endif
