/* SPDX-License-Identifier: MIT */
#include "cmd/lives.h"
#include "wire/wire.h"
#include <stdio.h>

enum { REASON = 124, DETAIL = 120 };

/* Other people's bytes, terminated; NULL where there are none. */
static const char *terminated(char *to, size_t cap, const char *from, size_t len)
{
    if (from == NULL || len == 0)
        return NULL;
    snprintf(to, cap, "%.*s", (int)len, from);
    return to;
}

/* What its code does not say: an error, or that our Close was never answered. */
static const char *detail(char to[DETAIL], const duet_closing *why)
{
    if (why->error != 0)
        return duet_strerror(why->error);
    if (why->sent == 0 || why->sent == why->code)
        return NULL;
    snprintf(to, DETAIL, "this side had sent %u", why->sent);
    return to;
}

/* What is the same of all. */
static void put(struct journal *j, duet_log_event *event, const duet_conn *c, const struct wire_about *about)
{
    char peer[64], user[HUB_NAME_MOST + 1], channel[HUB_NAME_MOST + 1];
    duet_conn_stats stats;
    duet_conn_read_stats(c, &stats);
    event->level = DUET_LOG_INFO;
    event->event = "connection";
    event->peer = duet_peer(c, peer);
    event->bytes_in = stats.bytes_in;
    event->bytes_out = stats.bytes_out;
    event->messages_in = stats.messages_in;
    event->messages_out = stats.messages_out;
    event->age_ms = duet_age_ms(c);
    event->way = about->way[0] ? about->way : NULL;
    event->user = terminated(user, sizeof(user), about->user, about->user_len);
    event->channel = terminated(channel, sizeof(channel), about->channel, about->channel_len);
    journal_put(j, event);
}

void lives_closed(struct journal *j, const duet_conn *c, const duet_closing *why)
{
    char reason[REASON], more[DETAIL];
    struct wire_about about;
    wire_describe(c, &about);
    put(j,
        &(duet_log_event){ .reason = terminated(reason, sizeof(reason), why->reason, why->reason_len),
                           .detail = detail(more, why),
                           .conn = duet_id(c),
                           .code = (int)why->code },
        c, &about);
}

void lives_ended(struct journal *j, duet_http *x, const struct wire_about *about, int code)
{
    put(j,
        &(duet_log_event){ .reason = code != 0 ? hub_code_text(code) : NULL,
                           .detail = code == 0 ? "its peer left" : NULL,
                           .conn = duet_http_id(x),
                           .code = code },
        duet_http_conn(x), about);
}
