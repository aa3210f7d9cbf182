/* SPDX-License-Identifier: MIT */
/*
 * Lines from standard input go out as messages, messages come in as lines: for seeing what a server says. It comes back
 * when the connection is lost, and ends when its input has ended and the server says no more.
 *
 *   client [--ca FILE | --insecure] [--cert FILE --key FILE] URL
 */
#include <duet/duet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { QUIET_MS = 500 };

static duet_loop *loop;
static duet_watch *input; /* while there is a connection */
static duet_timer *quiet;
static bool ended;
static int result;

static void say(const char *what)
{
    fprintf(stderr, "client: %s\n", what);
}

/* Nothing came for a moment after the end of the input: the answers are here. */
static void part(void *client)
{
    duet_conn *c = duet_client_conn(client);
    if (c != NULL)
        duet_close(c, DUET_CODE_NORMAL, NULL);
}

/* Control bytes could be orders to a terminal. */
static void print(duet_conn *c, const duet_msg *m)
{
    (void)c;
    const unsigned char *data = m->data;
    for (size_t i = 0; i < m->len; i++)
        putchar(data[i] < 0x20 || data[i] == 0x7f ? '?' : data[i]);
    putchar('\n');
    fflush(stdout);
    if (ended)
        duet_timer_set(quiet, QUIET_MS);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    (void)c;
    fprintf(stderr, "client: closed with %u, %s\n", why->code, duet_code_text(why->code));
    ended = ended || input == NULL;
    duet_watch_free(input);
    input = NULL;
    if (ended)
        duet_loop_stop(loop);
}

static void failed(duet_client *client, const duet_failure *why)
{
    (void)client;
    say(why->detail);
    if (!why->final)
        return;
    result = 1;
    duet_loop_stop(loop);
}

/* Each line of less than 4 KiB is a message. */
static void read_lines(void *arg, int fd, int events)
{
    static char line[4096];
    static size_t len;
    (void)events;
    duet_conn *c = arg;
    ssize_t n = read(fd, line + len, sizeof(line) - len);
    if (n < 0)
        return;
    if (n == 0) {
        ended = true;
        duet_watch_free(input);
        input = NULL;
        duet_timer_set(quiet, QUIET_MS);
        return;
    }
    len += (size_t)n;
    for (char *end; (end = memchr(line, '\n', len)) != NULL;) {
        size_t used = (size_t)(end - line) + 1;
        if (duet_send(c, DUET_TEXT, line, used - 1) < 0)
            say("a line was not sent");
        len -= used;
        memmove(line, line + used, len);
    }
    if (len == sizeof(line)) {
        say("a line is too long");
        len = 0;
    }
}

static void opened(duet_conn *c)
{
    char peer[64];
    fprintf(stderr, "client: connected to %s%s\n", duet_peer(c, peer), duet_tls_resumed(c) ? ", resumed" : "");
    input = duet_loop_watch(loop, STDIN_FILENO, DUET_READABLE, read_lines, c);
    if (input == NULL) {
        say("standard input must be a pipe or a terminal");
        duet_close(c, DUET_CODE_AWAY, NULL);
    }
}

int main(int argc, char **argv)
{
    duet_client_config config = {
        DUET_CLIENT_CONFIG_INIT,
        .on = { .open = opened, .message = print, .close = closed },
        .failed = failed,
        .retry = true,
    };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ca") == 0 && i + 1 < argc)
            config.ca = argv[++i];
        else if (strcmp(argv[i], "--cert") == 0 && i + 1 < argc)
            config.cert = argv[++i];
        else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc)
            config.key = argv[++i];
        else if (strcmp(argv[i], "--insecure") == 0)
            config.insecure = true;
        else
            config.url = argv[i];
    }
    char why[200] = "no loop can be had";
    duet_client *client = NULL;
    if (duet_loop_new(&loop) < 0 || duet_connect(&client, loop, &config, why) < 0) {
        say(why);
        duet_loop_free(loop);
        return 2;
    }
    quiet = duet_timer_new(loop, part, client);
    if (quiet != NULL)
        duet_loop_run(loop);
    duet_client_free(client); /* `closed` lets the input go */
    duet_timer_free(quiet);
    duet_loop_free(loop);
    return result;
}
