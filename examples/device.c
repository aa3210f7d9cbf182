/* SPDX-License-Identifier: MIT */
/*
 * A device, as it would run on a small board; or many of them in one process, to see how a thousand behave.
 *
 *   device [--url ws://HOST:PORT] [--name NAME | --count N] [--every SECONDS]
 *
 * A device has one WebSocket, to the channel device:NAME, and needs neither SDK nor JSON to be read: what it says are
 * readings, {"t":21.4,...}, and what is said to it are commands, plain text:
 *
 *   led on | led off    every N (seconds between readings)    report
 *
 * It does what it is told, and answers with a reading that says what it did. A command says how things shall be, so it
 * does no harm twice: on coming back the newest message is asked for (?last=1), and if that is a command it waits to be
 * done. That it is gone the server finds, within its keep-alive.
 *
 * DUET_URL goes before the built-in address; DUET_TOKEN is what it shows, where the server wants a token.
 */
#include <duet/duet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 32, EVERY_MOST = 3600, STARTED_AT_ONCE = 10, START_MS = 20, NAMES_A_MESSAGE = 100 };

struct device {
    char name[NAME];
    duet_client *client;
    duet_timer *due;
    unsigned every; /* seconds */
    bool led;
    char did[16];  /* the last command; "": none yet */
    double warmth; /* what its thermometer shows */
};

static duet_loop *loop;
static duet_client_group *group; /* what a thousand clients need but once */
static const char *base;
static duet_header headers[2]; /* the token */
static struct device *devices;
static unsigned count, started, announced, heard;
static duet_timer *start_more;
static duet_client *registrar;

/* The house that it is without a name or a number. */
static const char *const rooms[] = { "attic", "balcony", "bath",   "cellar", "garage", "garden",
                                     "hall",  "kitchen", "office", "pool",   "roof",   "shed" };
enum { ROOMS = sizeof(rooms) / sizeof(rooms[0]) };

static double chance(void)
{
    return (double)rand() / RAND_MAX;
}

/* The device. */

/* Without a connection a reading is not taken: the next one is the newest then. */
static void say(struct device *d)
{
    char line[128];
    duet_conn *c = duet_client_conn(d->client);
    if (c == NULL)
        return;
    int len = snprintf(line, sizeof(line), "{\"t\":%.1f,\"led\":%s,\"every\":%u,\"did\":\"%s\"}", d->warmth,
                       d->led ? "true" : "false", d->every, d->did);
    duet_send(c, DUET_TEXT, line, (size_t)len);
}

/* In place of a thermometer: it wanders about 20 degrees, and an LED warms. */
static void measure(struct device *d)
{
    d->warmth += (20 + 2 * d->led - d->warmth) * 0.02 + chance() - 0.5;
}

static void due(void *arg)
{
    struct device *d = arg;
    duet_timer_set(d->due, d->every * 1000u);
    measure(d);
    say(d);
}

/* False: it is no command of this device. What it did it says in its own words, which are JSON's, too. */
static bool obey(struct device *d, const char *command)
{
    unsigned every;
    char behind;
    if (strcmp(command, "led on") == 0 || strcmp(command, "led off") == 0) {
        d->led = strcmp(command, "led on") == 0;
        snprintf(d->did, sizeof(d->did), "led %s", d->led ? "on" : "off");
    } else if (sscanf(command, "every %4u%c", &every, &behind) == 1 && every >= 1 && every <= EVERY_MOST) {
        d->every = every;
        snprintf(d->did, sizeof(d->did), "every %u", every);
    } else if (strcmp(command, "report") == 0) {
        snprintf(d->did, sizeof(d->did), "report");
    } else {
        return false;
    }
    return true;
}

/* Readings come back, too; they are not for us. A client that speaks JSON alone says a command in quotes. What is
 * longer than any command is none. */
static void told(duet_conn *c, const duet_msg *m)
{
    struct device *d = duet_client_arg(duet_client_of(c));
    const char *text = m->data;
    char command[sizeof(d->did)];
    size_t quote = m->len >= 2 && text[0] == '"' && text[m->len - 1] == '"';
    size_t len = m->len - 2 * quote;
    if (m->type != DUET_TEXT || len >= sizeof(command))
        return;
    memcpy(command, text + quote, len);
    command[len] = '\0';
    if (obey(d, command))
        due(d);
}

static void opened(duet_conn *c)
{
    struct device *d = duet_client_arg(duet_client_of(c));
    say(d);
    duet_timer_set(d->due, (uint64_t)(chance() * d->every * 1000)); /* so that a thousand do not speak at once */
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct device *d = duet_client_arg(duet_client_of(c));
    (void)why;
    duet_timer_cancel(d->due);
}

static void failed(duet_client *client, const duet_failure *why)
{
    (void)client;
    if (count == 1 || why->final)
        fprintf(stderr, "device: %s\n", why->detail);
}

static int join_channel(duet_client **out, const char *channel, const duet_handler *on, void *arg)
{
    char url[300], why[200];
    snprintf(url, sizeof(url), "%s/channel/%s", base, channel);
    int rc = duet_connect(out, loop,
                          &(duet_client_config){
                              DUET_CLIENT_CONFIG_INIT,
                              .url = url,
                              .on = *on,
                              .failed = failed,
                              .arg = arg,
                              .headers = headers[0].name ? headers : NULL,
                              .message_max = 4096,
                              .retry = true,
                              .retry_first_ms = 1000,
                              .retry_most_ms = 30000,
                              .group = group,
                          },
                          why);
    if (rc < 0)
        fprintf(stderr, "device: %s\n", why);
    return rc;
}

static int begin(struct device *d)
{
    static const duet_handler on = { .open = opened, .message = told, .close = closed };
    char channel[64];
    snprintf(channel, sizeof(channel), "device:%s?last=1", d->name);
    d->warmth = 16 + 8 * chance();
    d->due = duet_timer_new(loop, due, d);
    return d->due == NULL ? DUET_ERR_NOMEM : join_channel(&d->client, channel, &on, d);
}

/* A few at a time. */
static void start(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < STARTED_AT_ONCE && started < count; i++)
        if (begin(&devices[started++]) < 0) {
            duet_loop_stop(loop);
            return;
        }
    if (started < count)
        duet_timer_set(start_more, START_MS);
}

/* The register: once it says who there is, in fleet:all, for those who look. Each message comes back when it is kept.
 */

static void announce(duet_conn *c)
{
    char line[NAMES_A_MESSAGE * (NAME + 3) + 16];
    announced = heard = 0;
    for (unsigned i = 0; i < count; announced++) {
        int len = snprintf(line, sizeof(line), "{\"devices\":[");
        for (unsigned last = i + NAMES_A_MESSAGE; i < count && i < last; i++)
            len += snprintf(line + len, sizeof(line) - (size_t)len, "%s\"%s\"", line[len - 1] == '[' ? "" : ",",
                            devices[i].name);
        len += snprintf(line + len, sizeof(line) - (size_t)len, "]}");
        duet_send(c, DUET_TEXT, line, (size_t)len);
    }
}

static void registered(duet_conn *c, const duet_msg *m)
{
    (void)m;
    if (++heard == announced)
        duet_close(c, DUET_CODE_NORMAL, NULL);
}

/* The start. */

static bool name_is_good(const char *name)
{
    return name[0] != '\0' && strlen(name) < NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(name);
}

/* 0, or 2 after a line of help. */
static int read_options(int argc, char **argv, const char **name, unsigned *every)
{
    bool good = true;
    for (int i = 1; i < argc && good; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--url") == 0)
            base = value;
        else if (strcmp(argv[i], "--name") == 0)
            *name = value;
        else if (strcmp(argv[i], "--count") == 0)
            count = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--every") == 0)
            *every = (unsigned)strtoul(value, NULL, 10);
        else
            good = false;
    }
    if (good && count <= 100000 && *every >= 1 && *every <= EVERY_MOST && (*name == NULL || name_is_good(*name)))
        return 0;
    fprintf(stderr, "Usage: %s [--url ws://HOST:PORT] [--name NAME | --count N] [--every SECONDS]\n", argv[0]);
    return 2;
}

static void name_them(const char *name, unsigned every)
{
    bool house = name == NULL && count == 0;
    count = name ? 1 : house ? ROOMS : count;
    devices = calloc(count, sizeof(*devices));
    for (unsigned i = 0; devices != NULL && i < count; i++) {
        if (name != NULL || house)
            snprintf(devices[i].name, NAME, "%s", name ? name : rooms[i]);
        else
            snprintf(devices[i].name, NAME, "d%04u", i + 1);
        devices[i].every = every;
    }
}

int main(int argc, char **argv)
{
    static const duet_handler register_on = { .open = announce, .message = registered };
    const char *name = NULL;
    char bearer[4096];
    unsigned every = 5;
    base = getenv("DUET_URL") ? getenv("DUET_URL") : "ws://127.0.0.1:8080";
    if (read_options(argc, argv, &name, &every) != 0)
        return 2;
    if (getenv("DUET_TOKEN") != NULL) {
        snprintf(bearer, sizeof(bearer), "Bearer %s", getenv("DUET_TOKEN"));
        headers[0] = (duet_header){ "Authorization", bearer };
    }
    name_them(name, every);
    if (devices != NULL && duet_loop_new(&loop) == 0 && duet_client_group_new(&group, loop) == 0 &&
        (start_more = duet_timer_new(loop, start, NULL)) != NULL &&
        join_channel(&registrar, "fleet:all", &register_on, NULL) == 0) {
        srand((unsigned)duet_loop_now_ms(loop));
        start(NULL);
        duet_loop_run(loop);
    }
    for (unsigned i = 0; i < started; i++) {
        duet_client_free(devices[i].client);
        duet_timer_free(devices[i].due);
    }
    duet_client_free(registrar);
    duet_timer_free(start_more);
    duet_client_group_free(group);
    duet_loop_free(loop);
    free(devices);
    return 1;
}
