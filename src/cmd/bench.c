/* SPDX-License-Identifier: MIT */
#include "cmd/bench.h"
#include "base/mem.h"
#include "cmd/crew.h"
#include "cmd/plot.h"
#include "cmd/report.h"
#include "cmd/show.h"
#include "cmd/tool.h"
#include <ctype.h>
#include <duet/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CONNECTIONS_MOST = PAYLOAD_CONNECTIONS,
    OPENING = 100,          /* handshakes at once in one process */
    PORTS_OF_ADDRESS = 25000, /* of the 28,232 that Linux picks from by default */
    FILES_BESIDES = 64,
    SECONDS_MOST = 7 * 24 * 3600,
    CHOOSE = 0, SPIN, SLEEP
};

/* What its own options say; 0 or NULL: not said. */
struct bench {
    struct args args;
    long connections, publishers, slow, rate, in_flight, duration_ms, warm_up_ms, wait_ms, processes, opening, seed;
    const char *size, *publish, *plot;
    const char **sources, **pids;
    bool text, binary, utf8, json;
    int poll;
    /* Made of them. */
    const char *url;
    struct load_plan plan;
    pid_t servers[CREW_PIDS];
    unsigned server_count;
};

static const struct cmdline_option options[] = {
    { "--connections", "N", "That echo, subscribe, are held or open at once (100; fanout, slow, idle: 1000)",
      CMDLINE_NUMBER, offsetof(struct bench, connections), .least = 1, .most = CONNECTIONS_MOST - 1 },
    { "--rate", "N", "Messages, publications or openings a second in all, timed from when they were due (0: in flight)",
      CMDLINE_NUMBER, offsetof(struct bench, rate), .most = 100000000 },
    { "--in-flight", "N", "Without --rate: messages out at once on a connection (1)", CMDLINE_NUMBER,
      offsetof(struct bench, in_flight), .least = 1, .most = LOAD_IN_FLIGHT },
    { "--size", "BYTES", "Of a message, from 8 on: 20, 16k, a range 1k-16k, a list 20,1k,64k (20)", CMDLINE_TEXT,
      offsetof(struct bench, size) },
    { "--text", "", "Text of letters and digits (the default)", CMDLINE_FLAG, offsetof(struct bench, text) },
    { "--utf8", "", "Text of characters of one to four bytes", CMDLINE_FLAG, offsetof(struct bench, utf8) },
    { "--binary", "", "Binary messages", CMDLINE_FLAG, offsetof(struct bench, binary) },
    { "--duration", "SECONDS", "That are measured (10)", CMDLINE_SECONDS, offsetof(struct bench, duration_ms),
      .most = SECONDS_MOST },
    { "--warm-up", "SECONDS", "Before them (1; idle: 0)", CMDLINE_SECONDS, offsetof(struct bench, warm_up_ms),
      .most = SECONDS_MOST },
    { "--wait", "SECONDS", "For what is outstanding at the end (5)", CMDLINE_SECONDS, offsetof(struct bench, wait_ms),
      .most = SECONDS_MOST },
    { "--publishers", "N", "fanout, slow: how many publish (1)", CMDLINE_NUMBER, offsetof(struct bench, publishers),
      .least = 1, .most = LOAD_PUBLISHERS },
    { "--publish", "URL", "fanout, slow: where they do, when it is not URL", CMDLINE_TEXT,
      offsetof(struct bench, publish) },
    { "--slow", "N", "slow: how many of the connections read nothing (one in ten)", CMDLINE_NUMBER,
      offsetof(struct bench, slow), .least = 1, .most = CONNECTIONS_MOST - 1 },
    { "--processes", "N", "Share the connections, a loop each (1)", CMDLINE_NUMBER, offsetof(struct bench, processes),
      .least = 1, .most = LOAD_PROCESSES },
    { "--opening", "N", "Handshakes at once of a process, before the start (100)", CMDLINE_NUMBER,
      offsetof(struct bench, opening), .least = 1, .most = 100000 },
    { "--poll", "HOW", "spin: never sleep, so that the server need not wake us; sleep: leave the cores to others",
      CMDLINE_CHOICE, offsetof(struct bench, poll), .choices = "spin sleep" },
    { "--source", "ADDRESS", "Come from this address of ours; repeats, they take turns", CMDLINE_LIST,
      offsetof(struct bench, sources) },
    { "--pid", "PID", "A process of the server on this machine: tell its CPU time and memory; repeats", CMDLINE_LIST,
      offsetof(struct bench, pids) },
    { "--json", "", "Print one JSON object instead of the table", CMDLINE_FLAG, offsetof(struct bench, json) },
    { "--plot", "FILE", "Draw latency by percentile into FILE, as SVG", CMDLINE_TEXT, offsetof(struct bench, plot) },
    { "--seed", "N", "Of what the messages hold (random)", CMDLINE_NUMBER, offsetof(struct bench, seed), .least = 1,
      .most = 2147483647 },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet bench",
    .words = "[echo|fanout|connect|idle|slow] URL",
    .options = options,
    .shared = args_reach,
    .shared_title = ARGS_TITLE,
    .about = "Puts a load on a server, measures it, and checks that every message comes once, in order and whole.\n"
             "  echo     what is sent comes back (the default)\n"
             "  fanout   what one publishes reaches all who are subscribed at URL\n"
             "  connect  connections open and close\n"
             "  idle     connections are held open\n"
             "  slow     as fanout, while some subscribers do not read",
    .end = "URL is ws://, wss://, http://, https:// or unix:/path. Nothing is pinged unless --ping is given.\n"
           "See duet-bench(1).",
};

__attribute__((format(printf, 2, 3))) static bool wrong(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, CMDLINE_WHY, format, args);
    va_end(args);
    return false;
}

/* The mode, if one is named, and the URL. */
static bool read_words(struct bench *b, char *why)
{
    const char **words = b->args.words;
    size_t count = b->args.words_count;
    b->plan.mode = LOAD_ECHO;
    for (enum load_mode m = LOAD_ECHO; m <= LOAD_SLOW && count > 0; m++)
        if (strcmp(words[0], report_mode(m)) == 0) {
            b->plan.mode = m;
            words++;
            count--;
            break;
        }
    if (count == 0)
        return wrong(why, "no URL was given, such as ws://127.0.0.1:9001/; see --help");
    if (count > 1 && strchr(words[0], ':') == NULL)
        return wrong(why, "there is no mode `%.60s`; there are echo, fanout, connect, idle and slow", words[0]);
    if (count > 1)
        return wrong(why, "one URL is enough; options begin with two dashes, see --help");
    b->url = words[0];
    return true;
}

static bool fits_mode(const struct bench *b, char *why)
{
    bool fanout = b->plan.mode == LOAD_FANOUT || b->plan.mode == LOAD_SLOW;
    if (b->text + b->binary + b->utf8 > 1)
        return wrong(why, "--text, --utf8 and --binary exclude each other");
    if (b->rate > 0 && b->in_flight > 0)
        return wrong(why, "--rate sends when it is due, --in-flight when an answer came; leave one out");
    if (!fanout && (b->publishers > 0 || b->publish != NULL))
        return wrong(why, "--publishers and --publish are for fanout and slow");
    if (b->plan.mode != LOAD_SLOW && b->slow > 0)
        return wrong(why, "--slow is for the mode slow");
    if (b->args.trace && b->processes > 1)
        return wrong(why, "--trace is for one process");
    return true;
}

static bool read_pids(struct bench *b, char *why)
{
    for (const char **p = b->pids; *p != NULL; p++) {
        char *end;
        long pid = isdigit((unsigned char)**p) ? strtol(*p, &end, 10) : 0;
        if (pid <= 0 || *end != 0 || b->server_count == CREW_PIDS)
            return wrong(why, "--pid takes the number of a process, at most %d times, not `%.60s`", CREW_PIDS, *p);
        b->servers[b->server_count++] = (pid_t)pid;
    }
    if (b->server_count > 0 && !usage_read(b->servers, b->server_count, false).known)
        return wrong(why, "--pid: there is no such process on this machine");
    return true;
}

static bool is_loopback(const char *url)
{
    const char *at = strstr(url, "://");
    return at != NULL && (strncmp(at + 3, "127.", 4) == 0 || strncmp(at + 3, "localhost", 9) == 0);
}

/* One address has 28,232 ports for one destination; connections that come and go leave theirs in TIME_WAIT. */
static bool choose_sources(struct bench *b, char *why)
{
    struct load_plan *p = &b->plan;
    unsigned all = p->connections + p->publishers, count = 0;
    while (b->sources[count] != NULL)
        count++;
    if (count > 0)
        p->sources = b->sources;
    else if (is_loopback(b->url) && (all > PORTS_OF_ADDRESS || p->mode == LOAD_CONNECT))
        p->loopbacks = p->mode == LOAD_CONNECT ? 32 + all / 500 : all / PORTS_OF_ADDRESS + 2;
    else if (strstr(b->url, "://") != NULL && all > 28000)
        return wrong(why, "one address has ports for about 28,000 connections to one server: give more by --source");
    return true;
}

/* The hard limit is what we may have without asking anybody. */
static bool raise_files(const struct bench *b, char *why)
{
    const struct load_plan *p = &b->plan;
    struct rlimit r;
    rlim_t need = (p->connections + p->processes - 1) / p->processes + p->publishers + FILES_BESIDES;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= need)
        return true;
    if (r.rlim_max < need)
        return wrong(why,
                     "a process needs %lu open files and may have %lu: use --processes %lu, or raise the limit "
                     "(ulimit -Hn)",
                     (unsigned long)need, (unsigned long)r.rlim_max,
                     r.rlim_max > FILES_BESIDES + p->publishers
                         ? (unsigned long)(p->connections / (r.rlim_max - FILES_BESIDES - p->publishers) + 1)
                         : (unsigned long)p->processes);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    return true;
}

static uint64_t random_seed(void)
{
    uint32_t seed;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return 1;
    return seed & 0x7fffffff;
}

static unsigned otherwise(long value, unsigned standard)
{
    return value > 0 ? (unsigned)value : standard;
}

static uint64_t nanoseconds(long value_ms, uint64_t standard_ms)
{
    return (value_ms == ARGS_UNSET ? standard_ms : (uint64_t)value_ms) * 1000000;
}

static bool make_plan(struct bench *b, char *why)
{
    struct load_plan *p = &b->plan;
    bool fanout = p->mode == LOAD_FANOUT || p->mode == LOAD_SLOW;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    p->url = b->url;
    p->publish_url = b->publish ? b->publish : b->url;
    p->connections = otherwise(b->connections, fanout || p->mode == LOAD_IDLE ? 1000 : 100);
    p->publishers = fanout ? otherwise(b->publishers, 1) : 0;
    p->slow = p->mode == LOAD_SLOW ? otherwise(b->slow, (p->connections + 9) / 10) : 0;
    p->processes = otherwise(b->processes, 1);
    p->opening = otherwise(b->opening, OPENING);
    p->in_flight = otherwise(b->in_flight, 1);
    p->rate = b->rate > 0 ? (uint64_t)b->rate : 0;
    p->warm_up_ns = nanoseconds(b->warm_up_ms, p->mode == LOAD_IDLE ? 0 : 1000);
    p->duration_ns = nanoseconds(b->duration_ms, 10000);
    p->wait_ns = nanoseconds(b->wait_ms, 5000);
    p->kind = b->binary ? PAYLOAD_BINARY : b->utf8 ? PAYLOAD_MIXED : PAYLOAD_TEXT;
    p->seed = b->seed > 0 ? (uint64_t)b->seed : random_seed();
    p->spin = b->poll == SPIN || (b->poll == CHOOSE && (long)p->processes < cores && p->mode != LOAD_IDLE);
    if (p->processes > p->connections)
        return wrong(why, "there are more processes than connections");
    if (p->slow >= p->connections && fanout && p->slow > 0)
        return wrong(why, "some of the connections must read: --slow is to be less than --connections");
    if (!payload_read_sizes(&p->sizes, b->size ? b->size : "20"))
        return wrong(why, "--size takes bytes from %d to %dm, such as 20, 16k, 1k-16k or 20,1k,64k, not `%.60s`",
                     PAYLOAD_LEAST, PAYLOAD_MOST >> 20, b->size ? b->size : "");
    return true;
}

static bool prepare(struct bench *b, char *why)
{
    return read_words(b, why) && fits_mode(b, why) && make_plan(b, why) && read_pids(b, why) &&
           choose_sources(b, why) && raise_files(b, why);
}

static int draw(const struct bench *b, const struct outcome *o)
{
    char title[300], settings[240];
    bool opening = b->plan.mode == LOAD_CONNECT || b->plan.mode == LOAD_IDLE;
    report_settings(settings, sizeof(settings), &b->plan);
    snprintf(title, sizeof(title), "duet bench %s %.200s", report_mode(b->plan.mode), b->url);
    int rc = plot_write(b->plot, opening ? &o->sum.opening : &o->sum.latency, title, settings);
    if (rc == 0)
        return 0;
    snprintf(title, sizeof(title), "cannot write %.150s: %s", b->plot, duet_strerror(rc));
    show_line(line.name, title);
    return 1;
}

static int report(const struct bench *b, const struct outcome *o)
{
    int result = outcome_failed(o);
    if (!b->json) {
        report_table(stdout, &b->plan, o);
    } else if (!report_json(stdout, &b->plan, o)) {
        show_line(line.name, "cannot write to standard output");
        result = 1;
    }
    return b->plot != NULL ? draw(b, o) | result : result;
}

/* What can never connect is said once, and not by each connection. */
static bool can_connect(struct tool *t, duet_client_config *config, const char *url)
{
    duet_client *client = NULL;
    config->url = url;
    bool good = tool_connect(t, &client, config);
    duet_client_free(client);
    return good;
}

/* The exit code; 0: go on. */
static int rehearse(const struct bench *b)
{
    struct tool t = { .name = line.name, .args = b->args };
    duet_client_config config = tool_config(&t);
    int rc = duet_loop_new(&t.loop);
    if (rc < 0) {
        tool_fail(&t, duet_strerror(rc));
        return t.result;
    }
    config.trace = NULL;
    config.trace_head = NULL;
    const char *const *source = b->sources;
    do {
        config.bind_address = *source;
        if (!can_connect(&t, &config, b->plan.url) || !can_connect(&t, &config, b->plan.publish_url))
            break;
    } while (*source != NULL && *++source != NULL);
    duet_loop_free(t.loop);
    return t.result;
}

static int run(struct bench *b)
{
    struct outcome *o = mem_zalloc(sizeof(*o)); /* histograms are no load for a stack */
    if (o == NULL) {
        show_line(line.name, duet_strerror(DUET_ERR_NOMEM));
        return 1;
    }
    int result = rehearse(b);
    if (result == 0 && crew_run(o, line.name, &b->plan, &b->args, b->servers, b->server_count) && !o->killed)
        result = report(b, o);
    else if (result == 0)
        result = 1;
    mem_free(o);
    return result;
}

int bench_main(int argc, char **argv)
{
    struct bench b = { .duration_ms = ARGS_UNSET, .warm_up_ms = ARGS_UNSET, .wait_ms = ARGS_UNSET };
    char why[CMDLINE_WHY];
    int result = 2;
    bool good = args_parse(&b.args, &line, &b, argc, argv, why) == 0;
    if (good && b.args.help) {
        cmdline_help(&line);
        result = 0;
    } else if (good && prepare(&b, why)) {
        result = run(&b);
    } else {
        show_line(line.name, why);
    }
    args_fini(&b.args, &line, &b);
    return result;
}
