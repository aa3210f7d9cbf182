/* SPDX-License-Identifier: MIT */
#include "link.h"
#include <stdlib.h>
#include <string.h>

void link_init(struct link *l, const struct link_weather *weather)
{
    *l = (struct link){ .weather = *weather, .bytes = malloc(weather->buffer) };
    if (l->bytes == NULL)
        abort();
}

void link_fini(struct link *l)
{
    free(l->bytes);
    free(l->pieces);
}

size_t link_room(const struct link *l)
{
    return l->weather.buffer - (size_t)(l->sent - l->taken);
}

static void add_piece(struct link *l, struct dice *d, uint64_t now_ms, size_t len)
{
    const struct link_weather *w = &l->weather;
    uint64_t at = now_ms + w->delay_ms + dice_below(d, w->jitter_ms + 1);
    if (at < l->last_ms)
        at = l->last_ms;
    if (dice_one_in(d, w->still_one_in))
        at += dice_below(d, w->still_ms + 1);
    if (w->bytes_a_ms > 0)
        at += len / w->bytes_a_ms;
    l->last_ms = at;
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->pieces = realloc(l->pieces, l->cap * sizeof(*l->pieces));
        if (l->pieces == NULL)
            abort();
    }
    l->pieces[l->count++] = (struct link_piece){ at, l->sent };
}

size_t link_send(struct link *l, struct dice *d, uint64_t now_ms, const void *data, size_t len)
{
    size_t room = link_room(l), n = len < room ? len : room;
    if (l->shut)
        abort();
    for (size_t i = 0; i < n; i++)
        l->bytes[(l->sent + i) % l->weather.buffer] = ((const uint8_t *)data)[i];
    for (size_t left = n; left > 0;) {
        size_t most = l->weather.piece < left ? l->weather.piece : left, piece = dice_between(d, 1, most);
        if (piece * 200 < left) /* not more pieces than can be looked at */
            piece = left / 200;
        l->sent += piece;
        left -= piece;
        add_piece(l, d, now_ms, piece);
    }
    return n;
}

void link_shut(struct link *l)
{
    l->shut = true;
}

size_t link_ready(struct link *l, uint64_t now_ms)
{
    while (l->first < l->count && l->pieces[l->first].at_ms <= now_ms)
        l->arrived = l->pieces[l->first++].end;
    if (l->first == l->count)
        l->first = l->count = 0;
    return (size_t)(l->arrived - l->taken);
}

bool link_ended(struct link *l, uint64_t now_ms)
{
    if (l->lost)
        return link_ready(l, now_ms) == 0;
    return l->shut && link_ready(l, now_ms) == 0 && l->taken == l->sent;
}

void link_take(struct link *l, void *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = l->bytes[(l->taken + i) % l->weather.buffer];
    l->taken += len;
}

uint64_t link_next(const struct link *l)
{
    return l->first < l->count ? l->pieces[l->first].at_ms : UINT64_MAX;
}

void link_cut(struct link *l, struct dice *d, uint64_t now_ms)
{
    link_ready(l, now_ms);
    l->arrived += dice_below(d, (size_t)(l->sent - l->arrived) + 1);
    l->first = l->count = 0;
    l->sent = l->arrived;
    l->lost = true;
}
