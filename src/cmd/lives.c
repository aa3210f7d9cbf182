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

void lives_closed(struct journal *j, const duet_conn *c, const duet_closing *why)
{
    char peer[64], reason[REASON], user[HUB_NAME_MOST + 1], channel[HUB_NAME_MOST + 1], more[DETAIL];
    struct wire_about about;
    duet_conn_stats stats;
    wire_describe(c, &about);
    duet_conn_read_stats(c, &stats);
    journal_put(j, &(duet_log_event){
                       .level = DUET_LOG_INFO,
                       .event = "connection",
                       .reason = terminated(reason, sizeof(reason), why->reason, why->reason_len),
                       .peer = duet_peer(c, peer),
                       .detail = detail(more, why),
                       .conn = duet_id(c),
                       .code = (int)why->code,
                       .bytes_in = stats.bytes_in,
                       .bytes_out = stats.bytes_out,
                       .age_ms = duet_age_ms(c),
                       .messages_in = stats.messages_in,
                       .messages_out = stats.messages_out,
                       .way = about.way[0] ? about.way : NULL,
                       .user = terminated(user, sizeof(user), about.user, about.user_len),
                       .channel = terminated(channel, sizeof(channel), about.channel, about.channel_len),
                   });
}
