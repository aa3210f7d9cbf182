/* SPDX-License-Identifier: MIT */
/* The program: which command it is. */
#include "base/near.h"
#include "cmd/bench.h"
#include "cmd/connect.h"
#include "cmd/help.h"
#include "cmd/init.h"
#include "cmd/pub.h"
#include "cmd/serve.h"
#include "cmd/sub.h"
#include "cmd/token.h"
#include "cmd/trace.h"
#include <duet/duet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name, *what;
    int (*run)(int argc, char **argv); /* the arguments behind the name; the exit code */
} commands[] = {
    { "serve", "Serve live channels over WebSocket, and a site over HTTP", serve_main },
    { "connect", "Talk to a WebSocket server: lines go out, messages come in", connect_main },
    { "sub", "Print the messages that come, from one URL or several", sub_main },
    { "pub", "Send lines or files as messages", pub_main },
    { "init", "Write a configuration to begin with", init_main },
    { "token", "Make and check the tokens that clients come with", token_main },
    { "trace", "Follow the publications of a channel through a server", trace_main },
    { "bench", "Put a load on a server, measure it, and check every message", bench_main },
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

/* A descriptor that was closed would be the next socket's, and words for a terminal would go there (OPS-11). */
static void open_standard_files(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int help(void)
{
    struct help h = help_begin(stdout);
    help_usage(&h, "duet COMMAND [OPTION]...");
    help_title(&h, "Commands");
    for (int i = 0; i < COMMANDS; i++)
        help_entry(&h, commands[i].name, "", commands[i].what);
    help_title(&h, "Options");
    help_entry(&h, "--version", "", "Print the version");
    help_entry(&h, "--help", "", "Print this; `duet COMMAND --help` tells of a command");
    return 0;
}

/* Some write a command as an option: --serve. */
static int unknown(const char *name)
{
    size_t dashes = strspn(name, "-");
    const char *what = dashes > 0 ? "option" : "command";
    struct near near = near_to(name + dashes, strlen(name + dashes));
    for (int i = 0; i < COMMANDS; i++)
        near_offer(&near, commands[i].name);
    if (near.name != NULL)
        fprintf(stderr, "duet: there is no %s `%.60s`; did you mean `duet %s`? See `duet --help`\n", what, name,
                near.name);
    else
        fprintf(stderr, "duet: there is no %s `%.60s`; see `duet --help`\n", what, name);
    return 2;
}

int main(int argc, char **argv)
{
    open_standard_files();
    const char *name = argc > 1 ? argv[1] : "";
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    if (strcmp(name, "--version") == 0)
        return printf("duet %s\n", duet_version()) < 0;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return help();
    if (argc > 1)
        return unknown(name);
    fprintf(stderr, "duet: no command was given; try `duet serve`, or see `duet --help`\n");
    return 2;
}
