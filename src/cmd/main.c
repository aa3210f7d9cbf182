/* SPDX-License-Identifier: MIT */
#include "cmd/cmd.h"
#include <duet/duet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "serve", "a site over HTTP and live channels over WebSocket, on one port", cmd_serve },
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static int usage(FILE *to)
{
    fprintf(to, "Usage: duet COMMAND [OPTION]...\n\nCommands:\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\n  duet COMMAND --help  the command's options\n  duet --version       one line\n");
    return to == stdout ? 0 : 2;
}

/* A closed standard descriptor would be given to the first socket, and then be written to (OPS-11). */
static void open_standard(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    open_standard();
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return printf("duet %s\n", duet_version()) < 0;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "duet: there is no command \"%.60s\": see duet --help\n", argv[1]);
    return 2;
}
