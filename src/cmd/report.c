/* SPDX-License-Identifier: MIT */
#include "cmd/report.h"
#include "base/json.h"
#include "cmd/crew.h"
#include "cmd/help.h"
#include <duet/error.h>
#include <string.h>

enum { WIDTH = 10 };

struct percentile {
    double percent; /* below 0: the mean */
    const char *title, *key;
};

static const struct percentile percentiles[] = {
    { 0, "min", "min" },         { -1, "mean", "mean" },        { 50, "p50", "p50" },
    { 90, "p90", "p90" },        { 99, "p99", "p99" },          { 99.9, "p99.9", "p99_9" },
    { 99.99, "p99.99", "p99_99" }, { 100, "max", "max" },
};

enum { PERCENTILES = sizeof(percentiles) / sizeof(*percentiles) };

static uint64_t value_at(const struct histogram *h, const struct percentile *p)
{
    return p->percent < 0 ? histogram_mean(h) : histogram_at(h, p->percent);
}

const char *report_mode(enum load_mode mode)
{
    static const char *const names[] = { "", "echo", "fanout", "connect", "idle", "slow" };
    return names[mode];
}

void report_duration(char out[16], uint64_t ns)
{
    static const char *const units[] = { "us", "ms", "s" };
    double v = (double)ns / 1e3;
    unsigned unit = 0;
    for (; v >= 999.5 && unit < 2; unit++)
        v /= 1000;
    snprintf(out, 16, "%.*f %s", v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2, v, units[unit]);
}

const char *report_grouped(char out[32], uint64_t n)
{
    char plain[24];
    int len = snprintf(plain, sizeof(plain), "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = plain[i];
    }
    out[at] = 0;
    return out;
}

/* A size as it is written on the command line. */
static int put_size(char *out, size_t size, size_t n)
{
    if (n >= 1024 * 1024 && n % (1024 * 1024) == 0)
        return snprintf(out, size, "%zum", n >> 20);
    if (n >= 1024 && n % 1024 == 0)
        return snprintf(out, size, "%zuk", n >> 10);
    return snprintf(out, size, "%zu", n);
}

static void put_sizes(char *out, size_t size, const struct payload_sizes *s)
{
    size_t at = 0;
    for (unsigned i = 0; i < s->count && at < size; i++) {
        if (i > 0)
            at += (size_t)snprintf(out + at, size - at, "%c", s->range ? '-' : ',');
        if (at < size)
            at += (size_t)put_size(out + at, size - at, s->sizes[i]);
    }
}

void report_settings(char *out, size_t size, const struct load_plan *plan)
{
    static const char *const kinds[] = { "binary", "text", "mixed text" };
    char n[32], rate[80], sizes[120] = "";
    bool messages = plan->mode != LOAD_CONNECT && plan->mode != LOAD_IDLE;
    put_sizes(sizes, sizeof(sizes), &plan->sizes);
    if (plan->rate > 0)
        snprintf(rate, sizeof(rate), "%s a second", report_grouped(n, plan->rate));
    else if (messages)
        snprintf(rate, sizeof(rate), "%u in flight%s", plan->in_flight, plan->publishers > 0 ? "" : " on each");
    else
        snprintf(rate, sizeof(rate), "%u handshakes at once", plan->opening);
    size_t at = (size_t)snprintf(out, size, "%s connection%s", report_grouped(n, plan->connections),
                                 plan->connections == 1 ? "" : "s");
    if (plan->publishers > 0 && at < size)
        at += (size_t)snprintf(out + at, size - at, ", %u publisher%s", plan->publishers,
                               plan->publishers == 1 ? "" : "s");
    if (plan->mode != LOAD_CONNECT || plan->rate > 0)
        at += (size_t)snprintf(out + at, size - at, ", %s", rate);
    if (messages && at < size)
        snprintf(out + at, size - at, ", %s bytes of %s", sizes, kinds[plan->kind]);
}

/* Titles are faint, trouble is red, where there are colours. */
struct table {
    FILE *to;
    bool colour;
};

static const char *tint(const struct table *t, const char *code)
{
    return t->colour ? code : "";
}

static void row(const struct table *t, const char *title)
{
    fprintf(t->to, "  %s%-*s%s", tint(t, "\x1b[36m"), WIDTH, title, tint(t, "\x1b[0m"));
}

static void put_titles(const struct table *t)
{
    fprintf(t->to, "\n  %-*s%s", WIDTH, "", tint(t, "\x1b[2m"));
    for (unsigned i = 0; i < PERCENTILES; i++)
        fprintf(t->to, "%*s", WIDTH, percentiles[i].title);
    fprintf(t->to, "%s\n", tint(t, "\x1b[0m"));
}

static void put_histogram(const struct table *t, const char *title, const struct histogram *h)
{
    char text[16];
    if (h->count == 0)
        return;
    row(t, title);
    for (unsigned i = 0; i < PERCENTILES; i++) {
        report_duration(text, value_at(h, &percentiles[i]));
        fprintf(t->to, "%*s", WIDTH, text);
    }
    fputc('\n', t->to);
}

static void put_throughput(const struct table *t, const struct load_plan *plan, const struct outcome *o)
{
    char n[32], all[32];
    if (!o->measured || plan->mode == LOAD_IDLE)
        return;
    double each = (double)o->sum.measured / o->seconds;
    bool connect = plan->mode == LOAD_CONNECT;
    row(t, connect ? "opened" : "messages");
    fprintf(t->to, "%s%s a second%s", tint(t, "\x1b[1m"), report_grouped(n, (uint64_t)(each + 0.5)),
            tint(t, "\x1b[0m"));
    if (!connect)
        fprintf(t->to, ", %.2f MB/s", (double)o->sum.measured_bytes / o->seconds / 1e6);
    fprintf(t->to, " (%s in %.1f s)\n", report_grouped(all, o->sum.measured), o->seconds);
}

static void put_memory(const struct table *t, const struct load_plan *plan, const struct outcome *o)
{
    double n = (double)o->sum.opened;
    if (plan->mode != LOAD_IDLE || n <= 0)
        return;
    double own = (double)o->after.own - (double)o->empty.own;
    double kernel = (double)o->after.kernel - (double)o->empty.kernel;
    row(t, "memory");
    fprintf(t->to, "%.0f bytes of the server a connection; %.0f of the kernel, our ends with it; %.0f in all\n",
            own / n, kernel / n, (own + kernel) / n);
}

static void put_server(const struct table *t, const struct load_plan *plan, const struct outcome *o)
{
    char text[16];
    uint64_t n = o->after_count - o->before_count;
    if (!o->empty.known)
        return;
    row(t, "server");
    if (!o->after.known || !o->before.known) {
        fputs("one of the processes of --pid has ended\n", t->to);
        return;
    }
    uint64_t cpu = o->after.cpu_ns - o->before.cpu_ns;
    report_duration(text, n > 0 ? cpu / n : 0);
    if (n > 0)
        fprintf(t->to, "%s of CPU a %s, ", text, plan->mode == LOAD_CONNECT ? "connection" : "message");
    fprintf(t->to, "%.0f %% of a core, %.1f MiB resident\n", o->seconds > 0 ? (double)cpu / o->seconds / 1e7 : 0,
            (double)o->after.rss / 1048576);
    put_memory(t, plan, o);
}

static void put_slow(const struct table *t, const struct load_plan *plan, const struct outcome *o)
{
    if (plan->slow == 0)
        return;
    row(t, "slow");
    fprintf(t->to, "%u read nothing", plan->slow);
    if (o->sum.slow_closed > 0)
        fprintf(t->to, "; the server closed %llu of them (%llu)", (unsigned long long)o->sum.slow_closed,
                (unsigned long long)o->sum.slow_code);
    fprintf(t->to, "; they got %llu messages in the end\n", (unsigned long long)o->sum.slow_received);
}

struct count {
    const char *what, *key;
    uint64_t n;
};

enum { COUNTS = 8 };

static void list_errors(struct count out[COUNTS], const struct outcome *o)
{
    const struct load_tally *t = &o->sum;
    const struct count all[COUNTS] = {
        { "lost", "lost", o->lost },
        { "twice", "twice", t->again },
        { "out of order", "out_of_order", t->late },
        { "changed", "changed", t->changed },
        { "of other connections", "strange", t->strange },
        { "due but not sent", "unsent", t->unsent },
        { "connections not opened", "not_opened", t->failed },
        { "connections lost", "closed", t->closed },
    };
    memcpy(out, all, sizeof(all));
}

static void put_errors(const struct table *t, const struct outcome *o)
{
    struct count errors[COUNTS];
    const char *comma = "";
    char n[32];
    list_errors(errors, o);
    if (!outcome_failed(o)) {
        if (o->sum.unique > 0) {
            row(t, "checked");
            fprintf(t->to, "all %s came once, in order, every byte\n", report_grouped(n, o->sum.unique));
        }
        return;
    }
    row(t, "errors");
    fputs(tint(t, "\x1b[31m"), t->to);
    for (unsigned i = 0; i < COUNTS; i++)
        if (errors[i].n > 0) {
            fprintf(t->to, "%s%s %s", comma, report_grouped(n, errors[i].n), errors[i].what);
            comma = ", ";
        }
    fprintf(t->to, "%s\n", tint(t, "\x1b[0m"));
    if (o->sum.trouble[0] != 0) {
        row(t, "the first");
        fprintf(t->to, "%s\n", o->sum.trouble);
    }
}

/* Who was late himself has measured himself. */
static void put_warning(const struct table *t, const struct outcome *o)
{
    char text[16];
    uint64_t lag = histogram_at(&o->sum.lag, 99), latency = histogram_at(&o->sum.latency, 99);
    if (o->sum.lag.count == 0 || lag < 1000000 || lag < latency / 10)
        return;
    report_duration(text, lag);
    row(t, "note");
    fprintf(t->to, "sent late by up to %s (p99): the server took no more, or this machine is the limit\n", text);
}

void report_table(FILE *to, const struct load_plan *plan, const struct outcome *o)
{
    struct table t = { to, help_begin(to).colour };
    char settings[240];
    report_settings(settings, sizeof(settings), plan);
    fprintf(to, "%sduet bench %s%s %s\n%s%s\n\n", tint(&t, "\x1b[1m"), report_mode(plan->mode), tint(&t, "\x1b[0m"),
            plan->url, settings, o->interrupted ? "; ended early" : "");
    put_throughput(&t, plan, o);
    put_server(&t, plan, o);
    put_slow(&t, plan, o);
    put_errors(&t, o);
    if (o->sum.latency.count + o->sum.opening.count > 0)
        put_titles(&t);
    put_histogram(&t, "latency", &o->sum.latency);
    put_histogram(&t, "sent late", &o->sum.lag);
    if (plan->mode == LOAD_CONNECT || plan->mode == LOAD_IDLE)
        put_histogram(&t, "to open", &o->sum.opening);
    put_warning(&t, o);
    fflush(to);
}

static void json_histogram(struct buf *b, const char *key, const struct histogram *h)
{
    if (h->count == 0) {
        buf_printf(b, ",\n  \"%s\": null", key);
        return;
    }
    buf_printf(b, ",\n  \"%s\": { \"count\": %llu", key, (unsigned long long)h->count);
    for (unsigned i = 0; i < PERCENTILES; i++)
        buf_printf(b, ", \"%s\": %.3f", percentiles[i].key, (double)value_at(h, &percentiles[i]) / 1e3);
    buf_puts(b, " }");
}

static void json_settings(struct buf *b, const struct load_plan *plan)
{
    static const char *const kinds[] = { "binary", "text", "utf8" };
    char sizes[120] = "";
    put_sizes(sizes, sizeof(sizes), &plan->sizes);
    buf_printf(b, "{\n  \"version\": \"%s\",\n  \"mode\": \"%s\"", duet_version(), report_mode(plan->mode));
    buf_puts(b, ",\n  \"url\": ");
    json_put_string(b, plan->url, strlen(plan->url));
    buf_printf(b, ",\n  \"connections\": %u, \"publishers\": %u, \"slow\": %u, \"processes\": %u", plan->connections,
               plan->publishers, plan->slow, plan->processes);
    buf_printf(b, ",\n  \"rate\": %llu, \"in_flight\": %u, \"size\": \"%s\", \"type\": \"%s\", \"seed\": %llu",
               (unsigned long long)plan->rate, plan->in_flight, sizes, kinds[plan->kind],
               (unsigned long long)plan->seed);
}

static void json_server(struct buf *b, const struct load_plan *plan, const struct outcome *o)
{
    uint64_t n = o->after_count - o->before_count, cpu = o->after.cpu_ns - o->before.cpu_ns;
    double opened = (double)o->sum.opened;
    if (!o->empty.known || !o->before.known || !o->after.known) {
        buf_puts(b, ",\n  \"server\": null");
        return;
    }
    buf_printf(b, ",\n  \"server\": { \"cpu_ns\": %llu, \"cpu_ns_each\": %.1f, \"rss\": %llu, \"own\": %llu",
               (unsigned long long)cpu, n > 0 ? (double)cpu / (double)n : 0, (unsigned long long)o->after.rss,
               (unsigned long long)o->after.own);
    if (plan->mode == LOAD_IDLE && opened > 0)
        buf_printf(b, ", \"own_each\": %.1f, \"kernel_each\": %.1f",
                   ((double)o->after.own - (double)o->empty.own) / opened,
                   ((double)o->after.kernel - (double)o->empty.kernel) / opened);
    buf_puts(b, " }");
}

static void json_errors(struct buf *b, const struct outcome *o)
{
    struct count errors[COUNTS];
    list_errors(errors, o);
    buf_printf(b, ",\n  \"ok\": %s,\n  \"errors\": {", outcome_failed(o) ? "false" : "true");
    for (unsigned i = 0; i < COUNTS; i++)
        buf_printf(b, "%s \"%s\": %llu", i > 0 ? "," : "", errors[i].key, (unsigned long long)errors[i].n);
    buf_puts(b, " },\n  \"first_error\": ");
    if (o->sum.trouble[0] != 0)
        json_put_string(b, o->sum.trouble, strlen(o->sum.trouble));
    else
        buf_puts(b, "null");
}

bool report_json(FILE *to, const struct load_plan *plan, const struct outcome *o)
{
    const struct load_tally *t = &o->sum;
    double per = o->seconds > 0 ? 1 / o->seconds : 0;
    struct buf b;
    buf_init(&b, NULL, 0);
    json_settings(&b, plan);
    buf_printf(&b, ",\n  \"seconds\": %.3f, \"interrupted\": %s, \"opened\": %llu", o->seconds,
               o->interrupted ? "true" : "false", (unsigned long long)t->opened);
    buf_printf(&b, ",\n  \"count\": %llu, \"bytes\": %llu, \"per_second\": %.1f, \"bytes_per_second\": %.1f",
               (unsigned long long)t->measured, (unsigned long long)t->measured_bytes, (double)t->measured * per,
               (double)t->measured_bytes * per);
    buf_printf(&b, ",\n  \"sent\": %llu, \"expected\": %llu, \"received\": %llu", (unsigned long long)t->sent,
               (unsigned long long)t->expected, (unsigned long long)t->unique);
    buf_printf(&b, ", \"slow_closed\": %llu, \"slow_code\": %llu, \"slow_received\": %llu",
               (unsigned long long)t->slow_closed, (unsigned long long)t->slow_code,
               (unsigned long long)t->slow_received);
    json_histogram(&b, "latency_us", &t->latency);
    json_histogram(&b, "late_us", &t->lag);
    json_histogram(&b, "open_us", &t->opening);
    json_server(&b, plan, o);
    json_errors(&b, o);
    buf_puts(&b, "\n}\n");
    bool good = !b.failed && fwrite(b.at, 1, b.len, to) == b.len && fflush(to) == 0;
    buf_fini(&b);
    return good;
}
