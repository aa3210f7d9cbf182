/* SPDX-License-Identifier: MIT */
/*
 * Duet in a loop that is not Duet's: poll(), which also reads standard input. A line that is typed goes to every
 * WebSocket, and answers everybody who asks for /next; each second the WebSockets hear the time.
 *
 *   embed [URL]
 */
#include <duet/duet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { WAITERS = 64, BEAT_MS = 1000 };

static duet_server *server;
static duet_timer *beat;
static uint64_t waiters[WAITERS]; /* requests for /next that wait: by id, since any of them may be gone by then */
static unsigned waiting;

static void join(duet_conn *c)
{
    duet_subscribe(c, "news");
}

/* Answered later, from a turn of the loop that has nothing to do with this one. */
static void next(duet_http *x, const duet_request *r)
{
    (void)r;
    if (waiting == WAITERS)
        duet_http_text(x, 503, "too many wait already");
    else
        waiters[waiting++] = duet_http_id(x);
}

static void on_line(const char *line)
{
    duet_publish(server, "news", DUET_TEXT, line, strlen(line));
    while (waiting > 0) {
        duet_http *x = duet_http_find(server, waiters[--waiting]);
        if (x != NULL)
            duet_http_text(x, 200, line);
    }
}

/* Standard input is poll()'s: Duet knows nothing of it. False at its end. */
static bool read_input(void)
{
    char line[256];
    ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
    if (n <= 0)
        return false;
    line[n] = 0;
    line[strcspn(line, "\n")] = 0;
    on_line(line);
    return true;
}

/* A timer of Duet's loop. */
static void tell_time(void *arg)
{
    char text[64];
    duet_loop *loop = arg;
    int len = snprintf(text, sizeof(text), "up for %llu s", (unsigned long long)duet_loop_now_ms(loop) / 1000);
    duet_publish(server, "news", DUET_TEXT, text, (size_t)len);
    duet_timer_set(beat, BEAT_MS);
}

/* A descriptor that Duet's loop watches for us: signals, read like bytes. */
static void on_signal(void *arg, int fd, int events)
{
    struct signalfd_siginfo info;
    (void)arg;
    (void)events;
    if (read(fd, &info, sizeof(info)) == sizeof(info))
        duet_server_drain(server);
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void run(duet_loop *loop)
{
    struct pollfd fds[] = {
        { .fd = duet_loop_fd(loop), .events = POLLIN },
        { .fd = STDIN_FILENO, .events = POLLIN },
    };
    while (!duet_server_over(server)) {
        if (poll(fds, 2, duet_loop_wait_ms(loop)) < 0 && errno != EINTR)
            return;
        duet_loop_turn(loop, 0);
        if (fds[1].revents != 0 && !read_input())
            fds[1].fd = -1; /* poll() passes it over */
    }
}

int main(int argc, char **argv)
{
    static const duet_route routes[] = {
        { .path = "/", .websocket = true },
        { .path = "/next", .http = next },
        { .path = NULL },
    };
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .listen = argc > 1 ? argv[1] : "ws://127.0.0.1:9005",
        .routes = routes,
        .on = { .open = join },
    };
    char why[200] = "";
    duet_loop *loop;
    int rc = duet_loop_new(&loop);
    if (rc == 0) {
        int signals = open_signals();
        rc = duet_server_new(&server, &config, why);
        if (rc == 0)
            rc = duet_server_attach(server, loop);
        duet_watch *watch = duet_loop_watch(loop, signals, DUET_READABLE, on_signal, NULL);
        beat = duet_timer_new(loop, tell_time, loop);
        if (rc == 0 && watch != NULL && beat != NULL) {
            duet_timer_set(beat, BEAT_MS);
            run(loop);
        }
        duet_timer_free(beat);
        duet_watch_free(watch);
        duet_server_free(server);
        duet_loop_free(loop);
        close(signals);
    }
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", argv[0], why[0] ? why : duet_strerror(rc));
    return rc < 0;
}
