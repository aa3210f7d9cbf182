/* SPDX-License-Identifier: MIT */
#include "sim.h"
#include "base/mem.h"
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRACE = 1 << 20, TAIL = 6000, COUNTERS = 64, TWICE = 200 };

static char trace[TRACE];
static size_t trace_len;
static uint64_t seed_now;
static bool loud;
static const char *program = "sim";
static long held;

static struct {
    const char *what;
    unsigned long n;
} counters[COUNTERS];

void say(const char *format, ...)
{
    va_list args;
    if (trace_len + 512 > TRACE) {
        memmove(trace, trace + TRACE / 2, trace_len - TRACE / 2);
        trace_len -= TRACE / 2;
    }
    va_start(args, format);
    int n = vsnprintf(trace + trace_len, 511, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : n < 511 ? (size_t)n : 510;
    trace[trace_len + len] = '\n';
    if (loud)
        fwrite(trace + trace_len, 1, len + 1, stdout);
    trace_len += len + 1;
}

static void last_words(void)
{
    static bool told;
    if (told)
        return;
    told = true;
    if (!loud) {
        size_t from = trace_len > TAIL ? trace_len - TAIL : 0;
        fwrite(trace + from, 1, trace_len - from, stdout);
    }
    const char *whose = strstr(program, "hub") ? "hub:" : "";
    printf("not ok - %s: seed %llu; again with its trace: make sim SEED=%s%llu\n", program,
           (unsigned long long)seed_now, whose, (unsigned long long)seed_now);
    fflush(stdout);
}

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

_Noreturn void sim_failed(const char *file, int line, const char *claim)
{
    say("%s:%d: it does not hold that %s", file, line, claim);
    last_words();
    if (__lsan_do_recoverable_leak_check)
        __lsan_do_recoverable_leak_check(); /* where it was allocated, if that is what went wrong */
    _exit(1);
}

static void aborted(int signal)
{
    (void)signal;
    say("aborted");
    last_words();
    _exit(1);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

void sim_begin(uint64_t seed)
{
    seed_now = seed;
    trace_len = 0;
    held = 0;
}

long sim_held(void)
{
    return held;
}

void sim_count(const char *what)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        if (counters[i].what == NULL)
            counters[i].what = what;
        if (counters[i].what == what || strcmp(counters[i].what, what) == 0) {
            counters[i].n++;
            return;
        }
    }
    abort();
}

static void print_counters(void)
{
    for (unsigned i = 0; i < COUNTERS && counters[i].what != NULL; i++)
        printf("# %s: %lu\n", counters[i].what, counters[i].n);
}

void sim_watch(const char *name)
{
    program = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    signal(SIGABRT, aborted);
    signal(SIGPIPE, SIG_IGN);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(last_words);
}

/* Nothing but the seed may have a say, or a failure could not be played again. */
static void play_again(uint64_t seed, void (*play)(uint64_t seed))
{
    char *first = strndup(trace, trace_len);
    sim_begin(seed);
    play(seed);
    if (strlen(first) != trace_len || memcmp(first, trace, trace_len) != 0)
        sim_failed(__FILE__, __LINE__, "a seed played twice is the same");
    free(first);
}

int sim_main(int argc, char **argv, bool (*mine)(uint64_t seed), void (*play)(uint64_t seed))
{
    sim_watch(argv[0]);
    uint64_t from = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, played = 0;
    loud = argc == 2;
    for (uint64_t seed = from; seed < from + count; seed++) {
        if (!mine(seed))
            continue;
        sim_begin(seed);
        play(seed);
        if (played++ % TWICE == 0 && !loud)
            play_again(seed, play);
    }
    print_counters();
    printf("ok - %s: %llu seeds from %llu\n", program, (unsigned long long)played, (unsigned long long)from);
    return 0;
}

/* The library's allocations, counted. The linker puts these in front of mem.c (--wrap). */
void *__real_mem_alloc(size_t size);
void *__real_mem_zalloc(size_t size);
void *__real_mem_realloc(void *old, size_t size);
void *__real_mem_dup(const void *from, size_t size);
char *__real_mem_strdup(const char *s);
void __real_mem_free(void *p);
void *__wrap_mem_alloc(size_t size);
void *__wrap_mem_zalloc(size_t size);
void *__wrap_mem_realloc(void *old, size_t size);
void *__wrap_mem_dup(const void *from, size_t size);
char *__wrap_mem_strdup(const char *s);
void __wrap_mem_free(void *p);

static void *counted(void *p)
{
    held += p != NULL;
    return p;
}

void *__wrap_mem_alloc(size_t size)
{
    return counted(__real_mem_alloc(size));
}

void *__wrap_mem_zalloc(size_t size)
{
    return counted(__real_mem_zalloc(size));
}

void *__wrap_mem_realloc(void *old, size_t size)
{
    void *p = __real_mem_realloc(old, size);
    held += old == NULL && p != NULL;
    return p;
}

void *__wrap_mem_dup(const void *from, size_t size)
{
    return counted(__real_mem_dup(from, size));
}

char *__wrap_mem_strdup(const char *s)
{
    return counted(__real_mem_strdup(s));
}

void __wrap_mem_free(void *p)
{
    held -= p != NULL;
    __real_mem_free(p);
}
