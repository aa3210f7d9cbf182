/* SPDX-License-Identifier: MIT */
/* Sends every message back to the server it connects to, until that closes: for conformance programs. */
#include <duet/duet.h>
#include <stdio.h>
#include <string.h>

static int result = 1;

static void echo(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    (void)why;
    result = 0;
    duet_loop_stop(duet_client_loop(duet_client_of(c)));
}

static void failed(duet_client *client, const duet_failure *why)
{
    fprintf(stderr, "echo-client: %s\n", why->detail);
    duet_loop_stop(duet_client_loop(client));
}

static int usage(void)
{
    fprintf(stderr, "Usage: echo-client [--ca FILE | --insecure] [--deflate | --keep-window] URL\n");
    return 2;
}

int main(int argc, char **argv)
{
    duet_client_config config = {
        DUET_CLIENT_CONFIG_INIT,
        .on = { .message = echo, .close = closed },
        .failed = failed,
        .message_max = 100 * 1024 * 1024,
        .queue_max = DUET_OFF, /* reading stops before */
        .ping_ms = 120000,     /* no ping in the first minute */
    };
    char why[200];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ca") == 0 && i + 1 < argc)
            config.ca = argv[++i];
        else if (strcmp(argv[i], "--insecure") == 0)
            config.insecure = true;
        else if (strcmp(argv[i], "--deflate") == 0)
            config.deflate.on = true;
        else if (strcmp(argv[i], "--keep-window") == 0)
            config.deflate = (duet_deflate){ .on = true, .keep_window = true };
        else if (argv[i][0] == '-' || config.url != NULL)
            return usage();
        else
            config.url = argv[i];
    }
    if (config.url == NULL)
        return usage();
    duet_loop *loop;
    duet_client *client = NULL;
    if (duet_loop_new(&loop) < 0 || duet_connect(&client, loop, &config, why) < 0) {
        fprintf(stderr, "echo-client: %s\n", why);
        return 1;
    }
    duet_loop_run(loop);
    duet_client_free(client);
    duet_loop_free(loop);
    return result;
}
