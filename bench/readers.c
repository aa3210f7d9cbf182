/* SPDX-License-Identifier: MIT */
/*
 * Readers of examples/ticker.c, who say at once that they have drawn what came: how old it is when it comes, and
 * whether anything is missing. On the ticker's machine, since both clocks have to be the same.
 *
 *   bench_readers URL [READERS=100] [SECONDS=10]
 */
#include <duet/duet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DELTAS = 1, IMAGES = 2, CHECK = 3, READERS_MOST = 4000, OPENING = 50, MS_MOST = 2000, COME_MS = 3000 };

/* As examples/ticker.c has it. */
struct head {
    uint8_t kind, unused;
    uint16_t count;
    uint32_t number, extra, unused2;
    uint64_t made_us;
};

static struct reader {
    duet_client *client;
    uint32_t number;
} readers[READERS_MOST];

static unsigned count = 100, known;
static uint64_t ages[MS_MOST]; /* by ms; the last counts what was older */
static uint64_t changes, bytes, gaps, images;
static const char *url;
static duet_loop *loop;
static duet_client_group *group;
static duet_timer *opener;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    struct reader *r = duet_client_arg(duet_client_of(c));
    struct head head;
    char line[32];
    if (m->type != DUET_BINARY || m->len < sizeof(head))
        return;
    memcpy(&head, m->data, sizeof(head));
    bytes += m->len;
    if (head.kind == CHECK)
        return;
    uint64_t ms = (now_us() - le64toh(head.made_us)) / 1000;
    ages[ms < MS_MOST ? ms : MS_MOST - 1]++;
    gaps += head.kind == DELTAS && le32toh(head.number) != r->number + 1;
    images += head.kind == IMAGES;
    changes += head.kind == DELTAS ? le16toh(head.count) : 0;
    r->number = le32toh(head.number);
    int len = snprintf(line, sizeof(line), "drawn %u", r->number);
    duet_send(c, DUET_TEXT, line, (size_t)len);
}

static void open_some(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < OPENING && known < count; i++, known++) {
        duet_client_config config = {
            DUET_CLIENT_CONFIG_INIT,
            .url = url,
            .on = { .message = on_message },
            .arg = &readers[known],
            .group = group,
        };
        char why[200];
        if (duet_connect(&readers[known].client, loop, &config, why) < 0) {
            fprintf(stderr, "bench_readers: %s\n", why);
            exit(1);
        }
    }
    if (known < count)
        duet_timer_set(opener, 20);
}

static void begin(void *unused)
{
    (void)unused;
    memset(ages, 0, sizeof(ages));
    changes = bytes = gaps = images = 0;
}

static void end(void *unused)
{
    (void)unused;
    duet_loop_stop(loop);
}

static unsigned within(unsigned per_thousand)
{
    uint64_t all = 0, sum = 0;
    unsigned ms = 0;
    for (unsigned i = 0; i < MS_MOST; i++)
        all += ages[i];
    while (ms < MS_MOST - 1 && (sum += ages[ms]) * 1000 < all * per_thousand)
        ms++;
    return ms + 1;
}

int main(int argc, char **argv)
{
    url = argc > 1 ? argv[1] : NULL;
    count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : count;
    unsigned seconds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 10, there = 0;
    if (url == NULL || count == 0 || count > READERS_MOST || seconds == 0) {
        fprintf(stderr, "Usage: bench_readers URL [READERS] [SECONDS]\n");
        return 2;
    }
    duet_timer *begins, *ends;
    if (duet_loop_new(&loop) < 0 || duet_client_group_new(&group, loop) < 0 ||
        (opener = duet_timer_new(loop, open_some, NULL)) == NULL ||
        (begins = duet_timer_new(loop, begin, NULL)) == NULL || (ends = duet_timer_new(loop, end, NULL)) == NULL)
        return 1;
    duet_timer_set(opener, 0);
    duet_timer_set(begins, COME_MS);
    duet_timer_set(ends, COME_MS + seconds * 1000);
    duet_loop_run(loop);
    for (unsigned i = 0; i < known; i++)
        there += duet_client_conn(readers[i].client) != NULL;
    printf("%u readers; %.0f changes and %.0f KB a second to each, %llu batches missing, %llu times the newest instead"
           "\n",
           there, (double)changes / seconds / count, (double)bytes / 1000 / seconds / count, (unsigned long long)gaps,
           (unsigned long long)images);
    printf("from tick to reader: half within %u ms, 99 %% within %u ms, 99.9 %% within %u ms\n", within(500),
           within(990), within(999));
    for (unsigned i = 0; i < known; i++)
        duet_client_free(readers[i].client);
    duet_timer_free(opener);
    duet_timer_free(begins);
    duet_timer_free(ends);
    duet_client_group_free(group);
    duet_loop_free(loop);
    return 0;
}
