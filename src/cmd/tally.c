/* SPDX-License-Identifier: MIT */
#include "cmd/tally.h"
#include "base/clock.h"

enum { CONTROL = 8, RSV1 = 4 };

void tally_begin(struct tally *t)
{
    t->began_us = clock_us();
}

void tally_opened(struct tally *t)
{
    t->opened_us = clock_us();
    t->opening_us = t->opened_us - t->began_us;
    t->connections++;
}

void tally_closed(struct tally *t)
{
    if (t->opened_us != 0)
        t->lasted_us += clock_us() - t->opened_us;
    t->opened_us = 0;
    tally_begin(t); /* when it comes back */
}

void tally_frame(struct tally *t, const duet_trace *f)
{
    struct tally_way *way = f->sent ? &t->out : &t->in;
    way->wire += f->head_len + f->length;
    if (!f->sent || f->opcode >= CONTROL)
        return;
    bool packed = f->rsv & RSV1;
    way->messages += f->opcode != 0;
    way->bytes += packed ? f->plain_length : f->length;
    way->packed += packed ? f->length : 0;
    way->packed_from += packed ? f->plain_length : 0;
}

void tally_message(struct tally *t, size_t len, uint64_t packed)
{
    t->in.messages++;
    t->in.bytes += len;
    t->in.packed += packed;
    t->in.packed_from += packed ? len : 0;
}

void tally_ponged(struct tally *t, unsigned rtt_us)
{
    if (t->pongs++ == 0)
        t->rtt_least_us = t->rtt_most_us = rtt_us;
    if (rtt_us < t->rtt_least_us)
        t->rtt_least_us = rtt_us;
    if (rtt_us > t->rtt_most_us)
        t->rtt_most_us = rtt_us;
    t->rtt_sum_us += rtt_us;
}

static void print_way(FILE *to, const char *name, const struct tally_way *way)
{
    fprintf(to, "  %-12s%llu messages, %llu bytes; %llu on the wire", name, (unsigned long long)way->messages,
            (unsigned long long)way->bytes, (unsigned long long)way->wire);
    if (way->packed > 0)
        fprintf(to, "; %llu compressed to %llu (%.1f : 1)", (unsigned long long)way->packed_from,
                (unsigned long long)way->packed, (double)way->packed_from / (double)way->packed);
    putc('\n', to);
}

void tally_print(const struct tally *t, FILE *to)
{
    uint64_t lasted_us = t->lasted_us + (t->opened_us ? clock_us() - t->opened_us : 0);
    fprintf(to, "  %-12s%.3f s, after %.3f s to open", "open", (double)lasted_us / 1e6, (double)t->opening_us / 1e6);
    if (t->connections > 1)
        fprintf(to, "; %u connections", t->connections);
    putc('\n', to);
    print_way(to, "sent", &t->out);
    print_way(to, "received", &t->in);
    if (t->pongs == 0)
        return;
    fprintf(to, "  %-12s%u: least %.3f ms, mean %.3f ms, most %.3f ms\n", "round trips", t->pongs,
            t->rtt_least_us / 1e3, (double)t->rtt_sum_us / t->pongs / 1e3, t->rtt_most_us / 1e3);
}
