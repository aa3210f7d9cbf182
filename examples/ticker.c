/* SPDX-License-Identifier: MIT */
/*
 * Market data: order books of 200 made-up instruments, 20,000 changes a second, for any number of readers.
 *
 *   ticker [--rate N] [URL]      without URL where DUET_LISTEN says, else ws://127.0.0.1:9006
 *
 * Who connects gets every book whole (IMAGES), then all that changes, 50 batches a second (DELTAS, numbered without a
 * gap). A batch is encoded once for all. A reader that cannot follow gets no backlog: for it the books that change are
 * marked, and once it can take something, each of these comes whole, as it is then. So nothing it gets is stale, and
 * the last value of everything reaches it. Who is slow is known in two ways: its queue here is long (duet_congested()),
 * or, since networks and browsers have queues of their own, it has not said "drawn NUMBER" for a second.
 *
 *   to the reader     binary, little-endian: a head and its records; text: JSON for what is rare
 *   from the reader   "drawn NUMBER", "watch BOOK" (its past prices), "clock T" (what the time is here)
 */
#include "beat.h"
#include <duet/duet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BOOKS = 200,
    DEPTH = 10,                /* levels of a side */
    LEVELS = 2 * DEPTH,
    BATCHES_PER_S = 50,
    RATE_MAX = 200000,         /* changes a second */
    BATCH_MAX = RATE_MAX / BATCHES_PER_S + 2, /* a trade makes up to three */
    WINDOW = BATCHES_PER_S,    /* batches that may be on their way to a reader who says what it has drawn */
    PAST = 180,                /* prices of each book that are kept, one a second */
    READERS = 4096,
    MARKS = (BOOKS + 63) / 64
};

enum kind { DELTAS = 1, IMAGES = 2, CHECK = 3 };

/* One level of one book as it is now: what is offered above 0, what is asked for below, 0 for a level that is gone. In
 * IMAGES a book's first record empties the book. */
struct record {
    uint8_t book, unused;
    int16_t quantity;
    int32_t price; /* cents */
};

struct head {
    uint8_t kind, unused;
    uint16_t count;   /* records */
    uint32_t number;  /* of the batch that this brings the reader to */
    uint32_t extra;   /* IMAGES: changes that they stand for; CHECK: the sum of all books */
    uint32_t unused2;
    uint64_t made_us; /* since 1970 */
};

struct message {
    struct head head;
    struct record records[BATCH_MAX];
};
_Static_assert(BATCH_MAX >= BOOKS * LEVELS && sizeof(struct record) == 8 && sizeof(struct head) == 24, "the wire");

/* Prices without a gap from `lowest` on; the first half of the levels are bids, the second asks. */
struct book {
    int32_t lowest;
    int16_t quantity[LEVELS];
    int32_t past[PAST];
};

/* A connection's block. */
struct reader {
    unsigned place;             /* in `readers` */
    uint32_t sent, drawn;       /* batches; drawn 0: it never says */
    bool slow;                  /* gets nothing until it has caught up */
    uint32_t skipped;           /* changes since then */
    uint64_t changed[MARKS]; /* the books that they were in */
};

static duet_server *server;
static duet_conn *readers[READERS];
static unsigned reader_count;
static struct book books[BOOKS];
static struct message batch, image;
static uint64_t batch_changed[MARKS];
static uint32_t number; /* of the batch that the books have come to */
static unsigned rate = 20000, past_count;

/* The market */

/* xorshift64: a market need not be unforeseeable, only lively. */
static uint32_t dice(uint32_t sides)
{
    static uint64_t state;
    if (state == 0)
        state = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15 | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * sides >> 32);
}

static int32_t best_ask(const struct book *b)
{
    return b->lowest + DEPTH;
}

static struct record record_of(unsigned which, unsigned level)
{
    const struct book *b = &books[which];
    int quantity = level < DEPTH ? -b->quantity[level] : b->quantity[level];
    return (struct record){ .book = (uint8_t)which,
                            .quantity = (int16_t)htole16((uint16_t)quantity),
                            .price = (int32_t)htole32((uint32_t)(b->lowest + (int32_t)level)) };
}

static void change(struct record r)
{
    batch.records[batch.head.count++] = r;
    batch_changed[r.book / 64] |= (uint64_t)1 << r.book % 64;
}

static struct record gone(unsigned which, unsigned level)
{
    struct record r = record_of(which, level);
    r.quantity = 0;
    return r;
}

/* Somebody takes the best offer whole, or the best bid: the price moves by a cent, and so does the window of levels. */
static void move_price(unsigned which, bool up)
{
    struct book *b = &books[which];
    change(gone(which, up ? 0 : LEVELS - 1));
    memmove(b->quantity + !up, b->quantity + up, (LEVELS - 1) * sizeof(b->quantity[0]));
    b->lowest += up ? 1 : -1;
    unsigned fresh[] = { up ? LEVELS - 1 : 0, up ? DEPTH - 1 : DEPTH };
    for (unsigned i = 0; i < 2; i++) {
        b->quantity[fresh[i]] = (int16_t)(1 + dice(900));
        change(record_of(which, fresh[i]));
    }
}

static void trade(void)
{
    unsigned which = dice(BOOKS), level = dice(LEVELS);
    if (dice(12) == 0) {
        move_price(which, books[which].lowest <= 100 || dice(2) == 0);
        return;
    }
    books[which].quantity[level] = (int16_t)(1 + dice(900));
    change(record_of(which, level));
}

/* FNV-1a over every level of every book, in their order: what a reader has to come to as well. */
static uint32_t sum_of_books(void)
{
    uint32_t sum = 2166136261;
    for (unsigned i = 0; i < BOOKS; i++) {
        for (unsigned level = 0; level < LEVELS; level++) {
            int quantity = level < DEPTH ? -books[i].quantity[level] : books[i].quantity[level];
            sum = (sum ^ (uint32_t)(books[i].lowest + (int32_t)level)) * 16777619;
            sum = (sum ^ (uint32_t)quantity) * 16777619;
        }
    }
    return sum;
}

/* What is sent */

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct head head_of(enum kind kind, unsigned count, uint32_t extra)
{
    return (struct head){ .kind = (uint8_t)kind,
                          .count = htole16((uint16_t)count),
                          .number = htole32(number),
                          .extra = htole32(extra),
                          .made_us = htole64(now_us()) };
}

static void send_check(duet_conn *c)
{
    static uint32_t sum, summed; /* of batch number `summed` */
    if (summed != number)
        sum = sum_of_books();
    summed = number;
    struct head head = head_of(CHECK, 0, sum);
    duet_send(c, DUET_BINARY, &head, sizeof(head));
}

/* The books that changed since this reader had them, as they are now. */
static void send_images(duet_conn *c)
{
    struct reader *r = duet_data(c);
    unsigned count = 0;
    for (unsigned i = 0; i < BOOKS; i++) {
        if ((r->changed[i / 64] >> i % 64 & 1) == 0)
            continue;
        for (unsigned level = 0; level < LEVELS; level++)
            image.records[count++] = record_of(i, level);
    }
    image.head = head_of(IMAGES, count, r->skipped);
    duet_send(c, DUET_BINARY, &image, sizeof(image.head) + count * sizeof(image.records[0]));
    send_check(c);
    memset(r->changed, 0, sizeof(r->changed));
    r->skipped = 0;
    r->sent = number;
}

/* Not before all that is on its way has been drawn, when the reader says so: or it would be slow again at once. */
static void catch_up(duet_conn *c)
{
    struct reader *r = duet_data(c);
    if (!r->slow || duet_congested(c) || (r->drawn != 0 && r->drawn != r->sent))
        return;
    r->slow = false;
    send_images(c);
}

static void send_batch(duet_conn *c, duet_shared *deltas)
{
    struct reader *r = duet_data(c);
    if (duet_congested(c) || (r->drawn != 0 && number - r->drawn > WINDOW))
        r->slow = true;
    if (r->slow) {
        r->skipped += le16toh(batch.head.count);
        for (unsigned i = 0; i < MARKS; i++)
            r->changed[i] |= batch_changed[i];
        return;
    }
    if (deltas == NULL || duet_send_shared(c, deltas) < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
    r->sent = number;
    if (number % BATCHES_PER_S == 0)
        send_check(c);
}

static void keep_prices(void)
{
    for (unsigned i = 0; i < BOOKS; i++)
        books[i].past[past_count % PAST] = best_ask(&books[i]);
    past_count++;
}

static void make_batch(void)
{
    number++;
    batch.head.count = 0;
    memset(batch_changed, 0, sizeof(batch_changed));
    while (batch.head.count < rate / BATCHES_PER_S)
        trade();
    if (number % BATCHES_PER_S == 0)
        keep_prices();
    batch.head = head_of(DELTAS, batch.head.count, 0);
}

/* It has been open for a while: so charts have a past. */
static void open_market(void)
{
    for (unsigned i = 0; i < BOOKS; i++) {
        books[i].lowest = 1000 + (int32_t)dice(40000);
        for (unsigned level = 0; level < LEVELS; level++)
            books[i].quantity[level] = (int16_t)(1 + dice(900));
    }
    while (past_count < PAST)
        make_batch();
}

static void send_batch_to_all(void)
{
    size_t count = le16toh(batch.head.count);
    duet_shared *deltas = duet_shared_new(DUET_BINARY, &batch, sizeof(batch.head) + count * sizeof(batch.records[0]));
    for (unsigned i = 0; i < reader_count; i++)
        send_batch(readers[i], deltas);
    duet_shared_unref(deltas);
}

/* What a busy machine was late for is made up for, within reason. */
static void keep_time(struct beat *b, uint64_t beats)
{
    (void)b;
    for (uint64_t i = 0; i < beats && i < BATCHES_PER_S; i++) {
        make_batch();
        send_batch_to_all();
    }
}

/* The readers */

/* Four letters for each: the page knows no names. */
static void send_names(duet_conn *c)
{
    static const char *const first[] = { "BA", "CO", "DI", "FE", "GA", "HO", "JU", "KI", "LA", "ME",
                                         "NO", "PA", "QU", "RI", "SO", "TA", "UL", "VE", "WO", "ZE" };
    static const char *const second[] = { "BO", "DA", "GE", "LI", "MU", "NA", "RO", "SI", "TU", "VA" };
    char text[BOOKS * 8 + 64];
    int len = snprintf(text, sizeof(text), "{\"rate\":%u,\"names\":[", rate);
    for (unsigned i = 0; i < BOOKS; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "%s\"%s%s\"", i > 0 ? "," : "", first[i / 10],
                        second[i % 10]);
    len += snprintf(text + len, sizeof(text) - (size_t)len, "]}");
    duet_send(c, DUET_TEXT, text, (size_t)len);
}

static void send_past(duet_conn *c, unsigned which)
{
    char text[PAST * 12 + 64];
    int len = snprintf(text, sizeof(text), "{\"book\":%u,\"past\":[", which);
    unsigned first = past_count > PAST ? past_count - PAST : 0;
    for (unsigned i = first; i < past_count; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%d", i > first ? "," : "",
                        books[which].past[i % PAST]);
    len += snprintf(text + len, sizeof(text) - (size_t)len, "]}");
    duet_send(c, DUET_TEXT, text, (size_t)len);
}

static void send_clock(duet_conn *c, double theirs)
{
    char text[128];
    int len = snprintf(text, sizeof(text), "{\"clock\":%.3f,\"now\":%.3f}", theirs, (double)now_us() / 1000);
    duet_send(c, DUET_TEXT, text, (size_t)len);
}

static void come_in(duet_conn *c)
{
    struct reader *r = duet_data(c);
    if (reader_count == READERS) {
        r->place = READERS;
        duet_close(c, DUET_CODE_LATER, "too many readers");
        return;
    }
    r->place = reader_count;
    readers[reader_count++] = c;
    send_names(c);
    memset(r->changed, 0xff, sizeof(r->changed));
    send_images(c);
}

static void drawn(duet_conn *c, uint32_t which)
{
    struct reader *r = duet_data(c);
    if (which > r->sent)
        return; /* not yet sent: no reader of ours says so */
    r->drawn = which;
    catch_up(c);
}

static void hear(duet_conn *c, const duet_msg *m)
{
    char line[64];
    unsigned n;
    double t;
    size_t len = m->len < sizeof(line) - 1 ? m->len : sizeof(line) - 1;
    memcpy(line, m->data, len);
    line[len] = 0;
    if (sscanf(line, "drawn %u", &n) == 1)
        drawn(c, n);
    else if (sscanf(line, "watch %u", &n) == 1 && n < BOOKS)
        send_past(c, n);
    else if (sscanf(line, "clock %lf", &t) == 1 && t >= 0 && t < 1e15)
        send_clock(c, t);
    else
        duet_close(c, DUET_CODE_UNSUPPORTED, "drawn NUMBER, watch BOOK or clock T");
}

static void leave(duet_conn *c, const duet_closing *why)
{
    struct reader *r = duet_data(c);
    (void)why;
    if (r->place == READERS)
        return;
    readers[r->place] = readers[--reader_count];
    ((struct reader *)duet_data(readers[r->place]))->place = r->place;
}

static int serve(const char *url)
{
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .listen = url,
        .on = { .open = come_in, .message = hear, .drain = catch_up, .close = leave },
        .data_size = sizeof(struct reader),
        .origins = (const char *const[]){ "*", NULL }, /* prices are for every page: there is nothing to steal */
        .message_max = 64,
        .messages_per_s = 200,
        .queue_soft = 64 * 1024, /* beyond it nothing more is queued; the system's buffers come on top */
        .read_on = true,         /* "drawn" is heard from slow ones too */
    };
    duet_loop *loop;
    int rc = duet_loop_new(&loop);
    if (rc == 0)
        rc = beat_serve(&server, loop, &config, &(struct beat){ .due = keep_time }, BATCHES_PER_S);
    duet_loop_free(loop);
    return rc < 0;
}

int main(int argc, char **argv)
{
    const char *url = getenv("DUET_LISTEN");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rate") == 0 && i + 1 < argc)
            rate = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            url = argv[i];
    }
    if (rate > RATE_MAX || (url != NULL && url[0] == '-')) {
        fprintf(stderr, "Usage: ticker [--rate CHANGES, at most %u a second] [URL]\n", RATE_MAX);
        return 2;
    }
    open_market();
    return serve(url != NULL ? url : "ws://127.0.0.1:9006");
}

