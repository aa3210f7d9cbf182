/* SPDX-License-Identifier: MIT */
/*
 * A client in a loop that is not Duet's: poll(), which also reads standard input. What is typed is a message, each
 * message that comes a line; the end of the input closes.
 *
 *   poll-client [--ca FILE] URL
 */
#include <duet/duet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int result = -1; /* until it is over */

static void print(duet_conn *c, const duet_msg *m)
{
    (void)c;
    const unsigned char *data = m->data;
    for (size_t i = 0; i < m->len; i++)
        putchar(data[i] < 0x20 || data[i] == 0x7f ? '?' : data[i]); /* it could be an order to a terminal */
    putchar('\n');
    fflush(stdout);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    (void)c;
    result = why->error != 0;
}

static void failed(duet_client *client, const duet_failure *why)
{
    (void)client;
    fprintf(stderr, "poll-client: %s\n", why->detail);
    result = 1;
}

/* False at the end of what is typed: then the connection is to end, too. */
static bool read_input(duet_conn *c)
{
    char text[4096];
    ssize_t n = read(STDIN_FILENO, text, sizeof(text));
    if (n <= 0) {
        duet_close(c, DUET_CODE_NORMAL, NULL);
        return false;
    }
    size_t len = (size_t)n - (text[n - 1] == '\n');
    if (duet_send(c, DUET_TEXT, text, len) < 0)
        fprintf(stderr, "poll-client: a message was not sent\n");
    return true;
}

static void run(duet_loop *loop, duet_client *client)
{
    struct pollfd fds[] = {
        { .fd = duet_loop_fd(loop), .events = POLLIN },
        { .fd = -1, .events = POLLIN },
    };
    bool typing = true;
    while (result < 0) {
        duet_conn *c = duet_client_conn(client); /* NULL until it is open */
        fds[1].fd = typing && c != NULL && !duet_congested(c) ? STDIN_FILENO : -1; /* poll() passes -1 over */
        if (poll(fds, 2, duet_loop_wait_ms(loop)) < 0 && errno != EINTR)
            return;
        if (fds[1].revents != 0)
            typing = read_input(c);
        duet_loop_turn(loop, 0);
    }
}

int main(int argc, char **argv)
{
    duet_client_config config = {
        DUET_CLIENT_CONFIG_INIT,
        .on = { .message = print, .close = closed },
        .failed = failed,
    };
    if (argc == 4 && strcmp(argv[1], "--ca") == 0)
        config.ca = argv[2];
    config.url = argv[argc - 1];
    char why[200] = "no loop can be had";
    duet_loop *loop = NULL;
    duet_client *client = NULL;
    if (duet_loop_new(&loop) < 0 || duet_connect(&client, loop, &config, why) < 0) {
        fprintf(stderr, "poll-client: %s\n", why);
        duet_loop_free(loop);
        return 2;
    }
    run(loop, client);
    duet_client_free(client);
    duet_loop_free(loop);
    return result != 0;
}
