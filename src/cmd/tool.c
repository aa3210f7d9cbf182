/* SPDX-License-Identifier: MIT */
#include "cmd/tool.h"
#include "cmd/show.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { MESSAGE_MOST = 64 * 1024 * 1024 };

void tool_fail(struct tool *t, const char *why)
{
    show_line(t->name, why);
    t->result = 1;
}

static void signalled(void *arg, int fd, int events)
{
    struct tool *t = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(fd, &info, sizeof(info)) == sizeof(info)) {
        if (t->signals++ == 0) {
            t->interrupted(t);
        } else {
            t->result = 1;
            duet_loop_stop(t->loop);
        }
    }
}

/* Before there is another thread: the one that looks names up inherits the mask. */
static int make_loop(struct tool *t)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int rc = duet_loop_new(&t->loop);
    if (rc < 0)
        return rc;
    t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->signal_fd < 0)
        return -errno;
    t->signal_watch = duet_loop_watch(t->loop, t->signal_fd, DUET_READABLE, signalled, t);
    return t->signal_watch == NULL ? DUET_ERR_NOMEM : 0;
}

static bool parse(struct tool *t, int argc, char **argv)
{
    char why[CMDLINE_WHY];
    const char *wrong = why;
    if (args_parse(&t->args, t->line, t->own, argc, argv, why) == 0)
        wrong = t->misfit != NULL && !t->args.help ? t->misfit(t) : NULL;
    if (wrong == NULL)
        return true;
    tool_fail(t, wrong);
    t->result = 2;
    return false;
}

bool tool_begin(struct tool *t, const struct cmdline *line, void *own, int argc, char **argv)
{
    t->name = line->name;
    t->line = line;
    t->own = own != NULL ? own : &t->args;
    t->signal_fd = -1;
    if (!parse(t, argc, argv))
        return false;
    if (t->args.help) {
        cmdline_help(line);
        return false;
    }
    int rc = make_loop(t);
    if (rc < 0)
        tool_fail(t, duet_strerror(rc));
    return rc == 0;
}

void tool_end(struct tool *t)
{
    duet_watch_free(t->signal_watch);
    if (t->signal_fd >= 0)
        close(t->signal_fd);
    duet_loop_free(t->loop);
    args_fini(&t->args, t->line, t->own);
}

static void trace(duet_conn *c, const duet_trace *frame)
{
    (void)c;
    show_trace(frame);
}

duet_client_config tool_config(struct tool *t)
{
    const struct args *a = &t->args;
    duet_client_config config = {
        DUET_CLIENT_CONFIG_INIT,
        .arg = t,
        .origin = a->origin,
        .subprotocols = a->subprotocols[0] ? a->subprotocols : NULL,
        .headers = a->headers[0].name ? a->headers : NULL,
        .message_max = MESSAGE_MOST,
        .when_full = DUET_FULL_REFUSE,
        .stall_ms = DUET_OFF,
        .ca = a->ca,
        .cert = a->cert,
        .key = a->key,
        .insecure = a->insecure,
        .trace = a->trace ? trace : NULL,
        .deflate.on = a->deflate,
        .proxy_env = a->proxy == NULL,
        .pins = a->pins[0] ? a->pins : NULL,
        .redirects = (unsigned)a->redirects,
    };
    if (a->proxy != NULL && strcmp(a->proxy, "none") != 0)
        config.proxy = a->proxy;
    if (a->ping_ms != ARGS_UNSET)
        config.ping_ms = a->ping_ms == 0 ? DUET_OFF : (unsigned)a->ping_ms;
    return config;
}

bool tool_connect(struct tool *t, duet_client **out, const duet_client_config *config)
{
    char why[TOOL_WHY] = "";
    int rc = duet_connect(out, t->loop, config, why);
    if (rc == 0)
        return true;
    tool_fail(t, why[0] ? why : duet_strerror(rc));
    if (rc == DUET_ERR_URL || rc == DUET_ERR_INVALID)
        t->result = 2;
    return false;
}

struct tool *tool_of(const duet_conn *c)
{
    return duet_client_arg(duet_client_of(c));
}

bool tool_print(struct tool *t, const duet_msg *m)
{
    const struct args *a = &t->args;
    bool terminal = isatty(STDOUT_FILENO) != 0;
    if (a->hex)
        show_hex(stdout, m->data, m->len);
    else if (terminal && !a->raw)
        show_safe(stdout, m->data, m->len);
    else if (m->len > 0)
        fwrite(m->data, 1, m->len, stdout);
    if (a->null)
        putchar(0);
    else if (terminal || !a->binary)
        putchar('\n');
    if (fflush(stdout) == 0)
        return true;
    char why[TOOL_WHY];
    snprintf(why, sizeof(why), "cannot write to standard output: %s", strerror(errno));
    tool_fail(t, why);
    return false;
}
