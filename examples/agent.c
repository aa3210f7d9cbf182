/* SPDX-License-Identifier: MIT */
/*
 * Looks at this machine and at Duet once a second and says what it sees: each second in the channel
 * monitor:NAME.second, the average of each minute in monitor:NAME.minute.
 *
 *   DUET_URL=ws://127.0.0.1:8080 DUET_API=http://127.0.0.1:8080 agent [NAME]
 *
 * A channel without an envelope hands back what was said in it, to the speaker too. That is the receipt: a line is kept
 * until it has come back, so what is measured while the network is down arrives later. A line whose receipt got lost is
 * said twice, under the same time, by which readers know it.
 */
#include <arpa/inet.h>
#include <duet/duet.h>
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum figure {
    CPU,
    MEMORY,
    RECEIVED,
    SENT,
    LOCAL,
    READ,
    WRITTEN,
    FULL,
    SOCKETS,
    MESSAGES,
    DUET_CPU,
    DUET_MEMORY,
    COUNT
};

/* As they are called in a message, with how many places behind the point. CPU, MEMORY, FULL (the disk of "/") and
 * DUET_CPU (of one core) are percentages; RECEIVED to WRITTEN are bytes, MESSAGES are messages of a second. */
static const struct {
    const char *name;
    int places;
} figures[COUNT] = {
    [CPU] = { "cpu", 1 },           [MEMORY] = { "memory", 1 },     [RECEIVED] = { "received", 0 },
    [SENT] = { "sent", 0 },         [LOCAL] = { "local", 0 },       [READ] = { "read", 0 },
    [WRITTEN] = { "written", 0 },   [FULL] = { "full", 1 },         [SOCKETS] = { "sockets", 0 },
    [MESSAGES] = { "messages", 0 }, [DUET_CPU] = { "duet_cpu", 1 }, [DUET_MEMORY] = { "duet_memory", 0 },
};

/* NAN: not known. */
struct sample {
    double of[COUNT];
};

enum { LINE = 320, KEPT = 600 };

/* A channel and what is on its way to it: a ring of lines, of which the first `under_way` were sent. */
struct mouth {
    duet_client *client;
    char (*lines)[LINE];
    unsigned first, count, under_way;
};

static duet_loop *loop;
static duet_timer *second;
static struct mouth seconds, minutes;
static struct addrinfo *api; /* NULL: it is not asked */
static char duet_pid[16];    /* empty: not known */
static double sums[COUNT];
static unsigned counts[COUNT];
static time_t minute;

/* What is read. */

/* The whole of a small file of /proc, terminated; empty if there is none. */
static char *slurp(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    text[len] = '\0';
    return text;
}

/* The number behind `name` at the start of a line; NAN if it is not there. */
static double number_at(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0)
            return strtod(line + len, NULL);
    }
    return NAN;
}

/* A counter's growth in a second, for the figure it belongs to. */
static double rate(enum figure of, double counter)
{
    static double before[COUNT], at[COUNT];
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    double grown = counter - before[of], passed = now - at[of];
    bool first = at[of] == 0;
    before[of] = counter;
    at[of] = now;
    return first || !(grown >= 0) ? NAN : grown / passed;
}

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : NAN;
}

/* Idle is what is idle or waits for a disk. */
static void read_cpu(struct sample *s)
{
    double t[8] = { 0 };
    char *at = slurp("/proc/stat") + strlen("cpu");
    for (int i = 0; i < 8 && *at != '\0'; i++)
        t[i] = strtod(at, &at);
    double idle = t[3] + t[4], busy = t[0] + t[1] + t[2] + t[5] + t[6] + t[7];
    static double busy_before, all_before;
    s->of[CPU] = all_before > 0 ? percent(busy - busy_before, idle + busy - all_before) : NAN;
    busy_before = busy;
    all_before = idle + busy;
}

static void read_memory(struct sample *s)
{
    const char *text = slurp("/proc/meminfo");
    double total = number_at(text, "MemTotal:");
    s->of[MEMORY] = percent(total - number_at(text, "MemAvailable:"), total);
}

/* What the machine says to itself is counted apart. */
static void read_network(struct sample *s)
{
    double in = 0, out = 0, within = 0;
    for (const char *line = strchr(slurp("/proc/net/dev"), '\n'); line != NULL; line = strchr(line + 1, '\n')) {
        char name[32];
        double r, t;
        if (sscanf(line, " %31[^:]: %lf %*f %*f %*f %*f %*f %*f %*f %lf", name, &r, &t) != 3)
            continue;
        bool to_itself = strcmp(name, "lo") == 0;
        in += to_itself ? 0 : r;
        out += to_itself ? 0 : t;
        within += to_itself ? t : 0;
    }
    s->of[RECEIVED] = rate(RECEIVED, in);
    s->of[SENT] = rate(SENT, out);
    s->of[LOCAL] = rate(LOCAL, within);
}

/* Whole disks: a partition's name is a disk's and more, and comes behind it. Sectors are of 512 bytes. */
static void read_disks(struct sample *s)
{
    double in = 0, out = 0, r, w;
    char disk[32] = "", name[32];
    for (const char *line = slurp("/proc/diskstats"); line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "%*d %*d %31s %*f %*f %lf %*f %*f %*f %lf", name, &r, &w) != 3 ||
            strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0 || strncmp(name, "dm-", 3) == 0 ||
            (*disk != '\0' && strncmp(name, disk, strlen(disk)) == 0))
            continue;
        strcpy(disk, name);
        in += r;
        out += w;
    }
    struct statvfs root;
    s->of[READ] = rate(READ, in * 512);
    s->of[WRITTEN] = rate(WRITTEN, out * 512);
    s->of[FULL] = statvfs("/", &root) == 0 ? percent((double)(root.f_blocks - root.f_bfree),
                                                     (double)(root.f_blocks - root.f_bfree + root.f_bavail))
                                           : NAN;
}

/* Its own figures, as Prometheus would get them. A local server answers at once or is not there: half a second at most
 * is waited, in which nothing else is late but a reading. */
static const char *ask_duet(void)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    static char text[65536];
    const struct timeval half = { .tv_usec = 500000 };
    size_t len = 0;
    int fd = api ? socket(api->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof(half)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &half, sizeof(half)) == 0 &&
        connect(fd, api->ai_addr, api->ai_addrlen) == 0 && send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0)
        for (ssize_t n; len < sizeof(text) - 1 && (n = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0;)
            len += (size_t)n;
    if (fd >= 0)
        close(fd);
    text[len] = '\0';
    return text;
}

static void read_duet(struct sample *s)
{
    char path[40];
    const char *text = ask_duet();
    s->of[SOCKETS] = number_at(text, "duet_websockets ");
    s->of[MESSAGES] =
        rate(MESSAGES, number_at(text, "duet_messages_received_total ") + number_at(text, "duet_messages_sent_total "));
    snprintf(path, sizeof(path), "/proc/%s/stat", duet_pid);
    double user = NAN, kernel = NAN, pages = NAN;
    const char *name_end = strrchr(slurp(path), ')'); /* the name may hold anything */
    if (name_end != NULL)
        sscanf(name_end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lf %lf %*d %*d %*d %*d %*d %*d %*u %*u %lf",
               &user, &kernel, &pages);
    s->of[DUET_CPU] = rate(DUET_CPU, 100 * (user + kernel) / (double)sysconf(_SC_CLK_TCK));
    s->of[DUET_MEMORY] = pages * (double)sysconf(_SC_PAGESIZE);
}

/* What is said. */

static void say_what_waits(struct mouth *m)
{
    duet_conn *c = duet_client_conn(m->client);
    while (c != NULL && m->under_way < m->count) {
        const char *line = m->lines[(m->first + m->under_way) % KEPT];
        if (duet_send(c, DUET_TEXT, line, strlen(line)) < 0)
            return;
        m->under_way++;
    }
}

static void drop_first(struct mouth *m)
{
    m->first = (m->first + 1) % KEPT;
    m->count--;
    m->under_way -= m->under_way > 0;
}

/* What is too old to wait makes room. */
static void say(struct mouth *m, time_t at, const struct sample *s)
{
    if (m->count == KEPT)
        drop_first(m);
    char *line = m->lines[(m->first + m->count) % KEPT];
    int len = snprintf(line, LINE, "{\"at\":%lld", (long long)at);
    for (int i = 0; i < COUNT; i++)
        if (isfinite(s->of[i]))
            len += snprintf(line + len, LINE - (size_t)len, ",\"%s\":%.*f", figures[i].name, figures[i].places,
                            s->of[i] < 1e15 ? s->of[i] : 1e15);
    snprintf(line + len, LINE - (size_t)len, "}");
    m->count++;
    say_what_waits(m);
}

static void come_back(duet_conn *c, const duet_msg *msg)
{
    struct mouth *m = duet_client_arg(duet_client_of(c));
    const char *line = m->lines[m->first];
    if (m->under_way > 0 && msg->len == strlen(line) && memcmp(msg->data, line, msg->len) == 0)
        drop_first(m);
}

static void opened(duet_conn *c)
{
    struct mouth *m = duet_client_arg(duet_client_of(c));
    m->under_way = 0;
    say_what_waits(m);
}

static void failed(duet_client *client, const duet_failure *why)
{
    (void)client;
    fprintf(stderr, "agent: %s\n", why->detail);
    if (why->final)
        duet_loop_stop(loop);
}

/* An average of what was known, under the minute's beginning. */
static void add_to_minute(time_t now, const struct sample *s)
{
    struct sample average;
    if (minute != 0 && now / 60 != minute) {
        for (int i = 0; i < COUNT; i++)
            average.of[i] = counts[i] > 0 ? sums[i] / counts[i] : NAN;
        say(&minutes, minute * 60, &average);
        memset(sums, 0, sizeof(sums));
        memset(counts, 0, sizeof(counts));
    }
    minute = now / 60;
    for (int i = 0; i < COUNT; i++)
        if (isfinite(s->of[i])) {
            sums[i] += s->of[i];
            counts[i]++;
        }
}

static void look(void *unused)
{
    (void)unused;
    struct sample s;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    /* With the clock's own seconds. A turn that came a little early is the coming one's, which does not come again. */
    unsigned past_ms = (unsigned)(now.tv_nsec / 1000000);
    now.tv_sec += past_ms > 900;
    duet_timer_set(second, (past_ms > 900 ? 2000 : 1000) - past_ms);
    read_cpu(&s);
    read_memory(&s);
    read_network(&s);
    read_disks(&s);
    read_duet(&s);
    say(&seconds, now.tv_sec, &s);
    add_to_minute(now.tv_sec, &s);
}

/* The start. */

/* The server that started this program, if it is one. */
static void find_duet(const char *url)
{
    char path[40], host[64], port[8];
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)getppid());
    if (strcmp(slurp(path), "duet\n") == 0)
        snprintf(duet_pid, sizeof(duet_pid), "%d", (int)getppid());
    if (sscanf(url, "http://%63[^:/]:%7[0-9]", host, port) == 2)
        getaddrinfo(host, port, &(struct addrinfo){ .ai_socktype = SOCK_STREAM }, &api);
}

static int open_mouth(struct mouth *m, const char *base, const char *machine, const char *what)
{
    char url[300], why[200] = "no memory";
    snprintf(url, sizeof(url), "%s/channel/monitor:%s.%s", base, machine, what);
    m->lines = calloc(KEPT, LINE);
    int rc = m->lines == NULL ? DUET_ERR_NOMEM
                              : duet_connect(&m->client, loop,
                                             &(duet_client_config){
                                                 DUET_CLIENT_CONFIG_INIT,
                                                 .url = url,
                                                 .on = { .open = opened, .message = come_back },
                                                 .failed = failed,
                                                 .arg = m,
                                                 .retry = true,
                                                 .retry_first_ms = 500,
                                                 .retry_most_ms = 5000,
                                             },
                                             why);
    if (rc < 0)
        fprintf(stderr, "agent: %s\n", why);
    return rc;
}

int main(int argc, char **argv)
{
    const char *base = getenv("DUET_URL"), *url = getenv("DUET_API");
    const char *machine = argc > 1 ? argv[1] : "here";
    if (argc > 2 || machine[0] == '-') {
        fprintf(stderr, "Usage: DUET_URL=ws://HOST:PORT DUET_API=http://HOST:PORT %s [NAME]\n", argv[0]);
        return 2;
    }
    base = base ? base : "ws://127.0.0.1:8080";
    find_duet(url ? url : "http://127.0.0.1:8080");
    if (duet_loop_new(&loop) == 0 && open_mouth(&seconds, base, machine, "second") == 0 &&
        open_mouth(&minutes, base, machine, "minute") == 0 && (second = duet_timer_new(loop, look, NULL)) != NULL) {
        look(NULL);
        duet_loop_run(loop);
    }
    duet_timer_free(second);
    duet_client_free(seconds.client);
    duet_client_free(minutes.client);
    free(seconds.lines);
    free(minutes.lines);
    duet_loop_free(loop);
    if (api != NULL)
        freeaddrinfo(api);
    return 1; /* it ends when it cannot go on */
}
