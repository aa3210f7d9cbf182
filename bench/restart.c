/* SPDX-License-Identifier: MIT */
/*
 * How soon everybody is current again after the server was killed: `duet serve --data` with N clients in 100 channels,
 * each of which comes back by itself and with its position after a random wait of up to SPREAD ms, while the backend
 * goes on publishing. Measured from when the server answers again until a client has all that was published.
 *
 *   bench_restart DUET [CLIENTS=10000] [SPREAD=1000] [ROUNDS=5]
 */
#include <arpa/inet.h>
#include <duet/duet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHANNELS = 100, EACH = 5, CLIENTS_MOST = 19000, PATIENCE_S = 120, RETRY_MS = 20 };

static struct seat {
    duet_client *client;
    duet_timer *timer;
    unsigned channel;
    unsigned long offset;
    char epoch[16];
    double current_ms; /* when it had all of the round; 0: not yet */
} seats[CLIENTS_MOST];

static const char *duet, *channels_json;
static char folder[] = "/tmp/duet-restart-XXXXXX";
static int port, count = 10000, spread = 1000, rounds = 5, missing;
static unsigned long goal;
static double began_ms; /* the server answers */
static duet_loop *loop;
static duet_client_group *group;
static pid_t server;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_restart: %s\n", what);
    if (server > 0)
        kill(server, SIGKILL);
    exit(1);
}

static int free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        die("no port is to be had");
    close(fd);
    return ntohs(at.sin_port);
}

/* The server. */

static void start_server(void)
{
    char listen[64], config[64], data[64];
    snprintf(listen, sizeof(listen), "http://127.0.0.1:%d", port);
    snprintf(config, sizeof(config), "%s/duet.yaml", folder);
    snprintf(data, sizeof(data), "%s/data", folder);
    server = fork();
    if (server == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        execl(duet, "duet", "serve", "--listen", listen, "--config", config, "--data", data, NULL);
        _exit(1);
    }
}

static int dial(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The backend publishes to all channels at once. True: it was taken. */
static bool broadcast(int fd)
{
    char request[4096], answer[8192];
    char body[3000];
    int len = snprintf(body, sizeof(body),
                       "{\"channels\":[%s],\"data\":{\"price\":12345,\"at\":\"2026-11-26T00:00:00Z\"}}", channels_json);
    int all = snprintf(request, sizeof(request),
                       "POST /api/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len, body);
    return write(fd, request, (size_t)all) == all && read(fd, answer, sizeof(answer)) > 12 &&
           memcmp(answer + 9, "200", 3) == 0;
}

static void publish_all(void *unused)
{
    (void)unused;
    int fd = dial();
    for (int i = 0; i < EACH; i++)
        if (fd < 0 || !broadcast(fd))
            die("the API does not take a publication");
    close(fd);
}

/* Clients. */

static void come(void *arg);

static void again(struct seat *s, int within_ms)
{
    duet_timer_set(s->timer, within_ms > 0 ? (unsigned)(rand() % within_ms) : 0);
}

static void take(duet_conn *c, const duet_msg *m)
{
    struct seat *s = duet_client_arg(duet_client_of(c));
    char text[512] = "";
    memcpy(text, m->data, m->len < sizeof(text) ? m->len : sizeof(text) - 1);
    const char *offset = strstr(text, "\"offset\":"), *epoch = strstr(text, "\"epoch\":\"");
    if (strstr(text, "\"recovered\":false") != NULL)
        die("a client was told that it cannot have everything");
    if (epoch != NULL)
        snprintf(s->epoch, sizeof(s->epoch), "%.*s", (int)strcspn(epoch + 9, "\""), epoch + 9);
    if (offset == NULL)
        return;
    unsigned long at = strtoul(offset + 9, NULL, 10);
    if (epoch == NULL && at != s->offset + 1)
        die("a publication was lost, or came twice");
    if (epoch == NULL)
        s->offset = at;
    if (s->offset == goal && s->current_ms == 0) {
        s->current_ms = now_ms() - began_ms;
        if (--missing == 0)
            duet_loop_stop(loop);
    }
}

static void closed(duet_conn *c, const duet_closing *why)
{
    (void)why;
    again(duet_client_arg(duet_client_of(c)), spread);
}

static void failed(duet_client *client, const duet_failure *why)
{
    (void)why;
    again(duet_client_arg(client), spread > 0 ? spread : RETRY_MS);
}

static void come(void *arg)
{
    static const char *const protocols[] = { "duet.v1", NULL };
    struct seat *s = arg;
    char url[128];
    int len = snprintf(url, sizeof(url), "ws://127.0.0.1:%d/channel/c%u", port, s->channel);
    if (s->epoch[0] != '\0')
        snprintf(url + len, sizeof(url) - (size_t)len, "?since=%s:%lu", s->epoch, s->offset);
    duet_client_free(s->client);
    duet_client_config config = {
        DUET_CLIENT_CONFIG_INIT, .url = url,       .on = { .message = take, .close = closed },
        .failed = failed,        .arg = s,         .subprotocols = protocols,
        .group = group,          .open_ms = 30000,
    };
    if (duet_connect(&s->client, loop, &config, NULL) < 0)
        die("a client cannot connect");
}

/* Rounds. */

static void too_long(void *unused)
{
    (void)unused;
    die("not everybody is current in time");
}

static void run_until_current(void)
{
    duet_timer *patience = duet_timer_new(loop, too_long, NULL);
    duet_timer_set(patience, PATIENCE_S * 1000);
    duet_loop_run(loop);
    duet_timer_free(patience);
}

static void expect_more(void)
{
    goal += EACH;
    missing = count;
    for (int i = 0; i < count; i++)
        seats[i].current_ms = 0;
}

static int by_time(const void *a, const void *b)
{
    double x = ((const struct seat *)a)->current_ms, y = ((const struct seat *)b)->current_ms;
    return (x > y) - (x < y);
}

static double cpu_ms(void)
{
    char path[64], line[512] = "";
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)server);
    FILE *f = fopen(path, "r");
    if (f != NULL && fgets(line, sizeof(line), f) != NULL && strrchr(line, ')') != NULL)
        sscanf(strrchr(line, ')') + 2, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user, &system);
    if (f != NULL)
        fclose(f);
    return (double)(user + system) * 1e3 / (double)sysconf(_SC_CLK_TCK);
}

static void play(int round)
{
    double killed = now_ms();
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    start_server();
    int fd;
    while ((fd = dial()) < 0)
        usleep(1000);
    close(fd);
    began_ms = now_ms();
    expect_more();
    publish_all(NULL);
    run_until_current();
    static struct seat sorted[CLIENTS_MOST];
    memcpy(sorted, seats, (size_t)count * sizeof(*seats));
    qsort(sorted, (size_t)count, sizeof(*sorted), by_time);
    printf("%5d %12.0f %9.0f %9.0f %9.0f %10.0f\n", round, began_ms - killed, sorted[count / 2].current_ms,
           sorted[count * 99 / 100].current_ms, sorted[count - 1].current_ms, cpu_ms());
    fflush(stdout);
}

static void write_config(void)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/duet.yaml", folder);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        die("no configuration can be written");
    fputs("channels: { history_size: 1000, history_ttl: 1h, allow_recovery: true, allow_subscribe_for_anonymous: true "
          "}\n",
          f);
    fclose(f);
}

static void begin(void)
{
    static char names[CHANNELS * 8];
    struct rlimit most;
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < CHANNELS; i++)
        sprintf(names + strlen(names), "%s\"c%d\"", i > 0 ? "," : "", i);
    channels_json = names;
    if (mkdtemp(folder) == NULL || duet_loop_new(&loop) < 0 || duet_client_group_new(&group, loop) < 0)
        die("it cannot begin");
    write_config();
    port = free_port();
    start_server();
    int fd;
    while ((fd = dial()) < 0)
        usleep(1000);
    close(fd);
    for (int i = 0; i < count; i++) {
        seats[i].channel = (unsigned)(i % CHANNELS);
        seats[i].timer = duet_timer_new(loop, come, &seats[i]);
        again(&seats[i], 2000);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "bench_restart DUET [CLIENTS=10000] [SPREAD=1000] [ROUNDS=5]\n");
        return 2;
    }
    duet = argv[1];
    count = argc > 2 ? atoi(argv[2]) : count;
    spread = argc > 3 ? atoi(argv[3]) : spread;
    rounds = argc > 4 ? atoi(argv[4]) : rounds;
    if (count < 1 || count > CLIENTS_MOST)
        die("from 1 to 19000 clients");
    begin();
    /* Everybody is there and has something before the first round. */
    expect_more();
    began_ms = now_ms();
    duet_timer *later = duet_timer_new(loop, publish_all, NULL);
    duet_timer_set(later, 5000);
    run_until_current();
    printf("round  back in, ms    median       p99      last  server CPU\n");
    for (int round = 1; round <= rounds; round++)
        play(round);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}
