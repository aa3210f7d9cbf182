/* SPDX-License-Identifier: MIT */
/*
 * MEM-1, NET-1 to NET-5, NET-8, TLS-14: in each scenario each allocation fails, once and then for ever; and each call
 * of the system, with each of the errors that it can give, once and for ever. Whatever comes of it, nothing crashes,
 * hangs, spins or leaks memory or a descriptor, each end is told once, and the server serves the next one.
 *
 *   sim_faults memory|calls|all-calls|pieces [PART PARTS]
 *
 * `calls` leaves out what makes the same calls as another one, since only its bytes are compressed, and lets a call
 * fail for ever with the first of its errors alone.
 */
#include "base/mem.h"
#include "stage.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 200, LIMIT = 20000, PATIENCE = 1000 };

static struct {
    unsigned long scenarios, played, runs, failed;
} count;

static unsigned part, parts = 1, number;
static bool thorough; /* for ever with each error of a call, not with the first one alone */

static const struct kernel_weather fair = { .delay_us = 100, .jitter_us = 50, .buffer = 64 * 1024 };
static const struct kernel_weather in_pieces = {
    .delay_us = 100, .jitter_us = 50, .buffer = 64 * 1024, .piece = 1, .read_most = 1, .write_most = 1
};
static const struct kernel_weather with_signals = { .delay_us = 100,
                                                    .jitter_us = 50,
                                                    .buffer = 8 * 1024,
                                                    .read_most = 700,
                                                    .write_most = 700,
                                                    .eintr_one_in = 2,
                                                    .again_one_in = 3,
                                                    .spurious_one_in = 3 };

/* What came of the last run, as the applications saw it. */
static struct outcome {
    unsigned opens, closes, asked, gone, resumed, client_opens, client_closes, fails;
} outcome;

static void note_outcome(void)
{
    outcome = (struct outcome){ stage.opens, stage.closes, stage.asked, stage.gone, stage.resumed, 0, 0, 0 };
    for (int i = 0; i < STAGE_CLIENTS; i++) {
        outcome.client_opens += stage.visitors[i].opens;
        outcome.client_closes += stage.visitors[i].closes;
        outcome.fails += stage.visitors[i].fails;
    }
}

/* One scenario; what fails fails within it, and no longer when its end is judged. Returns what `over` did. */
static unsigned long play(const struct scenario *s, unsigned how, const struct kernel_weather *weather,
                          void (*begin)(void), unsigned long (*over)(void))
{
    kernel_boot(1, weather);
    stage_patience = weather == &fair ? PATIENCE : UINT32_MAX;
    uint8_t *large = stage.large;
    sim_begin(number);
    say("%s, %s%s%s", s->name,
        how & ALONE       ? "alone"
        : how & OVER_TLS  ? "TLS"
        : how & OVER_UNIX ? "unix"
                          : "TCP",
        how & DEFLATED ? ", deflate" : "", how & KEPT ? ", windows kept" : "");
    memset(&stage, 0, sizeof(stage));
    stage.large = large;
    count.runs++;
    begin();
    bool serves = !(how & ALONE) && stage_begin(how) == 0;
    if (serves || (how & ALONE))
        s->run();
    unsigned long n = over();
    note_outcome();
    if (kernel_failed())
        say("%s", kernel_failed_name());
    kernel_turns(&fair);
    stage_patience = UINT32_MAX; /* much may be left to do of what was cut into pieces */
    if (!serves && !(how & ALONE)) {
        CHECK(kernel_open_files() == 0 && sim_held() == 0);
        CHECK(stage_begin(how) == 0); /* it can be tried again */
    }
    if (how & ALONE)
        stage_end_alone();
    else
        stage_end();
    kernel_halt();
    return n;
}

static struct {
    unsigned long nth;
    unsigned which;
    bool for_ever;
} fail;

static void begin_nothing(void)
{
    kernel_fail(LIMIT * 100ul, 0, false);
}

static void begin_memory(void)
{
    kernel_fail(LIMIT * 100ul, 0, false);
    mem_fail(fail.nth, fail.for_ever);
}

static unsigned long over_memory(void)
{
    kernel_fail_end();
    return mem_fail_end();
}

static void begin_call(void)
{
    kernel_fail(fail.nth, fail.which, fail.for_ever);
}

static void memory(const struct scenario *s, unsigned how)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        fail.for_ever = for_ever;
        for (fail.nth = 0; play(s, how, &fair, begin_memory, over_memory) > fail.nth; fail.nth++)
            count.failed++;
        CHECK(fail.nth > 0 && fail.nth < LIMIT);
    }
}

/* Whether what came of it is what comes of it when nothing fails. */
static bool as_ever(const struct outcome *plain)
{
    return memcmp(&outcome, plain, sizeof(outcome)) == 0;
}

/* Every error of every call. A signal is none (NET-4). The number of calls is not the same each time: what fails is
 * tried again. */
static void calls(const struct scenario *s, unsigned how)
{
    play(s, how, &fair, begin_nothing, kernel_fail_end);
    const struct outcome plain = outcome;
    CHECK(plain.client_opens >= s->opens);
    CHECK(plain.resumed >= (how & OVER_TLS ? s->resumes : 0));
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        bool more = true;
        for (fail.nth = 0; more; fail.nth++) {
            CHECK(fail.nth < LIMIT);
            fail.for_ever = for_ever;
            for (fail.which = 0; fail.which == 0 || !for_ever || thorough; fail.which++) {
                unsigned long asked = play(s, how, &fair, begin_call, kernel_fail_end);
                more = asked > fail.nth;
                if (!kernel_failed())
                    break;
                if (kernel_failed_with(EINTR))
                    CHECK(as_ever(&plain));
                count.failed++;
            }
        }
    }
}

/* Everything a byte at a time; then with signals, and calls that would block. */
static void pieces(const struct scenario *s, unsigned how)
{
    count.failed += play(s, how, &in_pieces, begin_nothing, kernel_fail_end);
    count.failed += play(s, how, &with_signals, begin_nothing, kernel_fail_end);
}

static void each(const struct scenario *s, void (*with)(const struct scenario *s, unsigned how), bool packed)
{
    static const unsigned deflates[] = { 0, DEFLATED, KEPT };
    for (; s->name != NULL; s++) {
        for (unsigned way = OVER_TCP; way <= ALONE; way <<= 1) {
            if (!(s->ways & way) || way == IN_PIECES)
                continue;
            for (unsigned i = 0; i < (packed ? s->deflates : 1); i++, number++) {
                count.scenarios++;
                if (number % parts != part)
                    continue;
                count.played++;
                with(s, way | (s->ways & IN_PIECES) | deflates[i]);
            }
        }
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *what;
        void (*with)(const struct scenario *s, unsigned how);
        bool packed;
    } all[] = { { "memory", "allocations failed", memory, true },
                { "calls", "calls failed", calls, false },
                { "all-calls", "calls failed", calls, true },
                { "pieces", "calls in pieces and with signals", pieces, true } };
    unsigned which = 0;
    while (which < 4 && (argc < 2 || strcmp(argv[1], all[which].name) != 0))
        which++;
    if (which == 4)
        return 2;
    if (argc > 3) {
        part = (unsigned)strtoul(argv[2], NULL, 10);
        parts = (unsigned)strtoul(argv[3], NULL, 10);
    }
    thorough = all[which].packed;
    sim_watch(argv[0]);
    stage_open_tls();
    each(websocket_scenarios, all[which].with, all[which].packed);
    each(http_scenarios, all[which].with, all[which].packed);
    each(client_scenarios, all[which].with, all[which].packed);
    each(server_scenarios, all[which].with, all[which].packed);
    each(hub_scenarios, all[which].with, all[which].packed);
    stage_close_tls();
    CHECK(count.scenarios >= LEAST || !all[which].packed);
    printf("ok - sim_faults %s: %lu of %lu scenarios, %lu runs, %lu %s\n", all[which].name, count.played,
           count.scenarios, count.runs, count.failed, all[which].what);
    return 0;
}
