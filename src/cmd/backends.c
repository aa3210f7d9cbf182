/* SPDX-License-Identifier: MIT */
#include "cmd/backends.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cmd/child.h"
#include <duet/error.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FIRST_MS = 1000,
    MOST_MS = 30000,
    STOP_MS = 2000,
    LONG_LIFE_MS = 10000,
    TRIES = 6,
    LINE = 400,
    PATH_MOST = 4096
};

const struct backends_kind backends_of_demo[] = {
    { "game", "game", true },       { "market", "ticker", true },
    { "auction", "auction", true }, { "monitor", "agent", false },
    { "device", "device", false },  { "event", "event", false },
    { "notify", "notify", true },   { NULL },
};

struct backend {
    struct backends *all;
    const struct backends_kind *kind;
    unsigned port; /* where it listens; 0: it does not */
    char url[300]; /* the same; "": it does not */
    char *path;    /* the program's; NULL: it is not there */
    char **environment;
    struct child child;
    atomic_bool runs; /* and then its two watches are there. Written by the loop's thread */
    duet_watch *ended, *prints;
    duet_timer *again;
    uint64_t began_ms;
    unsigned tries; /* that ended at once, one after another */
    char line[LINE];
    size_t len; /* of the line so far */
};

struct backends {
    struct backends_config config;
    duet_loop *loop;
    bool stopping;
    size_t count;
    struct backend each[];
};

static unsigned or_else(unsigned given, unsigned otherwise)
{
    return given > 0 ? given : otherwise;
}

static void say(struct backend *b, duet_log_level level, const char *event, const char *detail)
{
    const struct backends_config *c = &b->all->config;
    c->log(c->arg, &(duet_log_event){ .level = level, .event = event, .way = b->kind->name, .detail = detail });
}

/* Making them. */

static char *copy_of(const char *text, size_t len)
{
    char *copy = mem_dup(text, len + 1);
    if (copy != NULL)
        copy[len] = 0;
    return copy;
}

/* The first folder that has the program. NULL in `b->path`: none has. 0 or DUET_ERR_NOMEM. */
static int find_program(struct backend *b)
{
    const char *const *folder = b->all->config.folders;
    char path[PATH_MOST];
    struct stat st;
    for (; *folder != NULL; folder++) {
        int len = snprintf(path, sizeof(path), "%s/%s", *folder, b->kind->program);
        if (len >= (int)sizeof(path) || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, X_OK) != 0)
            continue;
        b->path = copy_of(path, (size_t)len);
        return b->path ? 0 : DUET_ERR_NOMEM;
    }
    return 0;
}

/* Beside this program, as a build has them, else where they are installed. */
static int find_beside(struct backend *b)
{
    char self[PATH_MOST / 2], folders[2][PATH_MOST];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len < 0)
        return -errno;
    self[len] = 0;
    *strrchr(self, '/') = 0;
    snprintf(folders[0], sizeof(folders[0]), "%s/examples", self);
    snprintf(folders[1], sizeof(folders[1]), "%s/" DUET_LIBEXEC, self);
    b->all->config.folders[0] = folders[0];
    b->all->config.folders[1] = folders[1];
    int rc = find_program(b);
    b->all->config.folders[0] = NULL;
    return rc;
}

static int fill(struct backend *b, unsigned *listening)
{
    const struct backends_config *c = &b->all->config;
    if (b->kind->listens) {
        unsigned port = c->port + ++*listening;
        if (c->port != 0 && port <= 65535) {
            b->port = port;
            snprintf(b->url, sizeof(b->url), "http://%s:%u", c->host, port);
        }
    }
    return c->folders[0] ? find_program(b) : find_beside(b);
}

int backends_new(struct backends **out, const struct backends_config *config)
{
    size_t count = 0;
    unsigned listening = 0;
    while (config->kinds[count].name != NULL)
        count++;
    struct backends *all = mem_zalloc(sizeof(*all) + count * sizeof(*all->each));
    if (all == NULL)
        return DUET_ERR_NOMEM;
    all->config = *config;
    all->count = count;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        all->each[i].all = all;
        all->each[i].kind = &config->kinds[i];
        rc = fill(&all->each[i], &listening);
    }
    if (rc < 0) {
        backends_free(all);
        return rc;
    }
    *out = all;
    return 0;
}

const char *backends_url(const struct backends *b, const char *name)
{
    for (size_t i = 0; b != NULL && i < b->count; i++)
        if (strcmp(b->each[i].kind->name, name) == 0)
            return b->each[i].path != NULL && b->each[i].port != 0 ? b->each[i].url : NULL;
    return NULL;
}

/* The environment. */

static const char *const given[] = { "DUET_URL", "DUET_API", "DUET_API_KEY", "DUET_LISTEN" };
enum { GIVEN = sizeof(given) / sizeof(*given) };

static bool is_given(const char *variable)
{
    for (size_t i = 0; i < GIVEN; i++) {
        size_t len = strlen(given[i]);
        if (strncmp(variable, given[i], len) == 0 && variable[len] == '=')
            return true;
    }
    return false;
}

static char *variable(const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *text = mem_alloc(size);
    if (text != NULL)
        snprintf(text, size, "%s=%s", name, value);
    return text;
}

static void free_environment(char **environment)
{
    for (char **at = environment; environment != NULL && *at != NULL; at++)
        mem_free(*at);
    mem_free(environment);
}

/* This process's own with what is given; copied, since anybody may change that. */
static char **make_environment(const char *const values[GIVEN])
{
    extern char **environ;
    size_t count = 0, n = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    char **made = mem_zalloc((count + GIVEN + 1) * sizeof(*made));
    bool whole = made != NULL;
    for (size_t i = 0; i < count && whole; i++)
        if (!is_given(environ[i]))
            whole = (made[n++] = mem_strdup(environ[i])) != NULL;
    for (size_t i = 0; i < GIVEN && whole; i++)
        if (values[i] != NULL)
            whole = (made[n++] = variable(given[i], values[i])) != NULL;
    if (whole)
        return made;
    free_environment(made);
    return NULL;
}

/* What they print. */

static void end_line(struct backend *b)
{
    b->line[b->len] = 0;
    if (b->len > 0)
        say(b, DUET_LOG_INFO, "backend", b->line);
    b->len = 0;
}

static void take(struct backend *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' || b->len == LINE - 1)
            end_line(b);
        if (text[i] != '\n' && text[i] != 0)
            b->line[b->len++] = text[i];
    }
}

/* One read, so that one that prints without end is a turn's work like another. */
static void prints(void *arg, int fd, int events)
{
    struct backend *b = arg;
    char text[4096];
    ssize_t n = read(fd, text, sizeof(text));
    (void)events;
    if (n > 0) {
        take(b, text, (size_t)n);
    } else if (n == 0) { /* it has closed its output, and lives */
        duet_watch_free(b->prints);
        b->prints = NULL;
    }
}

/* Their lives. */

static void start(void *arg);

static void forget(struct backend *b)
{
    duet_watch_free(b->ended);
    duet_watch_free(b->prints);
    b->ended = b->prints = NULL;
    end_line(b);
    atomic_store(&b->runs, false);
}

static void try_again(struct backend *b, const char *why)
{
    const struct backends_config *c = &b->all->config;
    unsigned wait = or_else(c->first_ms, FIRST_MS) << b->tries, most = or_else(c->most_ms, MOST_MS);
    char detail[LINE];
    bool given_up = ++b->tries > TRIES;
    wait = wait < most ? wait : most;
    if (given_up)
        snprintf(detail, sizeof(detail), "%s; it is not started again, since it has ended at once %d times", why,
                 TRIES + 1);
    else
        snprintf(detail, sizeof(detail), "%s; it is started again in %u ms", why, wait);
    say(b, given_up ? DUET_LOG_ERROR : DUET_LOG_WARNING, "backend_ended", detail);
    if (!given_up)
        duet_timer_set(b->again, wait);
}

static void ended(void *arg, int fd, int events)
{
    struct backend *b = arg;
    char text[4096], why[40];
    ssize_t n;
    (void)fd;
    (void)events;
    /* As much as the pipe holds; who is left behind and prints on is not waited for. */
    for (int i = 0; i < 16 && (n = read(b->child.output_fd, text, sizeof(text))) > 0; i++)
        take(b, text, (size_t)n);
    forget(b);
    int status = child_reap(&b->child);
    if (b->all->stopping)
        return;
    if (WIFSIGNALED(status))
        snprintf(why, sizeof(why), "signal %d", WTERMSIG(status));
    else
        snprintf(why, sizeof(why), "exit code %d", WEXITSTATUS(status));
    if (clock_ms() - b->began_ms >= LONG_LIFE_MS)
        b->tries = 0;
    try_again(b, why);
}

static void start(void *arg)
{
    struct backend *b = arg;
    int rc = child_start(&b->child, b->path, b->environment);
    if (rc < 0) {
        try_again(b, duet_strerror(rc));
        return;
    }
    b->began_ms = clock_ms();
    b->ended = duet_loop_watch(b->all->loop, b->child.ended_fd, DUET_READABLE, ended, b);
    b->prints = duet_loop_watch(b->all->loop, b->child.output_fd, DUET_READABLE, prints, b);
    if (b->ended == NULL || b->prints == NULL) {
        forget(b);
        child_reap(&b->child);
        try_again(b, duet_strerror(DUET_ERR_NOMEM));
        return;
    }
    atomic_store(&b->runs, true);
}

static int begin(struct backend *b, const char *values[GIVEN])
{
    char listen[sizeof(b->url)] = "";
    if (b->path == NULL) {
        say(b, DUET_LOG_WARNING, "backend_missing", b->kind->program);
        return 0;
    }
    if (b->kind->listens && b->port == 0) {
        say(b, DUET_LOG_WARNING, "backend_not_started", "it listens behind the server's port: --listen with a number");
        return 0;
    }
    if (b->kind->listens)
        snprintf(listen, sizeof(listen), "ws%s", b->url + strlen("http"));
    values[GIVEN - 1] = b->kind->listens ? listen : NULL;
    b->environment = make_environment(values);
    b->again = duet_timer_new(b->all->loop, start, b);
    if (b->environment == NULL || b->again == NULL)
        return DUET_ERR_NOMEM;
    start(b);
    return 0;
}

int backends_start(struct backends *all, duet_loop *loop, const char *url, const char *api, const char *key)
{
    const char *values[GIVEN] = { url, api, key };
    int rc = 0;
    all->loop = loop;
    for (size_t i = 0; i < all->count && rc == 0; i++)
        rc = begin(&all->each[i], values);
    return rc;
}

void backends_stop(struct backends *all)
{
    if (all == NULL || all->stopping)
        return;
    all->stopping = true;
    for (size_t i = 0; i < all->count; i++) {
        duet_timer_free(all->each[i].again);
        all->each[i].again = NULL;
        if (atomic_load(&all->each[i].runs))
            child_signal(&all->each[i].child, SIGTERM);
    }
}

/* Without the loop, which turns no more. */
static void end(struct backend *b, uint64_t until_ms)
{
    struct pollfd at = { .fd = b->child.ended_fd, .events = POLLIN };
    uint64_t now = clock_ms();
    if (!atomic_load(&b->runs))
        return;
    if (poll(&at, 1, until_ms > now ? (int)(until_ms - now) : 0) != 1)
        child_signal(&b->child, SIGKILL);
    forget(b);
    child_reap(&b->child);
}

void backends_free(struct backends *all)
{
    if (all == NULL)
        return;
    backends_stop(all);
    uint64_t until_ms = clock_ms() + or_else(all->config.stop_ms, STOP_MS);
    for (size_t i = 0; i < all->count; i++) {
        end(&all->each[i], until_ms);
        free_environment(all->each[i].environment);
        mem_free(all->each[i].path);
    }
    mem_free(all);
}

void backends_put(const struct backends *all, struct buf *out)
{
    const char *between = "";
    buf_puts(out, "{");
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        const struct backend *one = &all->each[i];
        if (!atomic_load(&one->runs))
            continue;
        buf_printf(out, "%s\"%s\":{", between, one->kind->name);
        if (one->port != 0)
            buf_printf(out, "\"port\":%u", one->port);
        buf_puts(out, "}");
        between = ",";
    }
    buf_puts(out, "}");
}
