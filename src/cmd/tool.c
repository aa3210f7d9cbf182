/* SPDX-License-Identifier: MIT */
#include "cmd/tool.h"
#include "base/clock.h"
#include "cmd/print.h"
#include "cmd/show.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { MESSAGE_MOST = 64 * 1024 * 1024, CONTROL = 8, RSV1 = 4 };

/* The data block of a connection. */
struct coming {
    uint64_t packed; /* bytes so far of the compressed message that is coming */
    bool compressed;
};

void tool_fail(struct tool *t, const char *why)
{
    prompt_hide(t->prompt);
    show_line(t->name, why);
    if (t->result == 0)
        t->result = TOOL_FAILED;
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
            t->result = TOOL_FAILED;
            tool_stop(t);
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
    show_line(t->name, wrong);
    t->result = TOOL_USAGE;
    return false;
}

bool tool_begin(struct tool *t, const struct cmdline *line, void *own, int argc, char **argv)
{
    t->name = line->name;
    t->line = line;
    t->own = own != NULL ? own : &t->args;
    t->signal_fd = -1;
    t->frames.start_us = clock_us();
    show_init();
    if (!parse(t, argc, argv))
        return false;
    if (t->args.help) {
        cmdline_help(line);
        return false;
    }
    t->frames.secrets = t->args.trace_secrets;
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
    prompt_free(t->prompt);
    duet_loop_free(t->loop);
    args_fini(&t->args, t->line, t->own);
}

void tool_run(struct tool *t)
{
    if (t->prompt != NULL)
        prompt_run(t->prompt, &t->over);
    else if (!t->over)
        duet_loop_run(t->loop);
}

void tool_stop(struct tool *t)
{
    t->over = true;
    duet_loop_stop(t->loop);
}

static void trace(duet_conn *c, const duet_trace *frame)
{
    struct tool *t = tool_of(c);
    struct coming *coming = duet_data(c);
    tally_frame(&t->tally, frame);
    if (!frame->sent && frame->opcode < CONTROL) {
        if (frame->opcode != 0) {
            coming->compressed = frame->rsv & RSV1;
            coming->packed = 0;
        }
        coming->packed += frame->length;
    }
    if (!t->args.trace)
        return;
    prompt_hide(t->prompt);
    frames_frame(&t->frames, frame);
}

static void trace_head(duet_client *client, bool sent, const char *head, size_t len)
{
    struct tool *t = duet_client_arg(client);
    prompt_hide(t->prompt);
    frames_head(&t->frames, sent, head, len);
}

duet_client_config tool_config(struct tool *t)
{
    const struct args *a = &t->args;
    duet_client_config config = {
        DUET_CLIENT_CONFIG_INIT,
        .arg = t,
        .data_size = sizeof(struct coming),
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
        .trace = trace,
        .trace_head = a->trace ? trace_head : NULL,
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
    tally_begin(&t->tally);
    int rc = duet_connect(out, t->loop, config, why);
    if (rc == 0)
        return true;
    show_line(t->name, why[0] ? why : duet_strerror(rc));
    bool usage = rc == DUET_ERR_URL || rc == DUET_ERR_INVALID || rc == DUET_ERR_TLS || (rc < 0 && rc > -1000);
    t->result = usage ? TOOL_USAGE : TOOL_FAILED;
    return false;
}

struct tool *tool_of(const duet_conn *c)
{
    return duet_client_arg(duet_client_of(c));
}

void tool_opened(duet_conn *c)
{
    struct tool *t = tool_of(c);
    tally_opened(&t->tally);
    if (!t->args.trace)
        return;
    prompt_hide(t->prompt);
    frames_begin(&t->frames, '*');
    show_open(c);
}

bool tool_message(duet_conn *c, const duet_msg *m)
{
    struct tool *t = tool_of(c);
    struct coming *coming = duet_data(c);
    uint64_t packed = coming->compressed ? coming->packed : 0;
    tally_message(&t->tally, m->len, packed);
    prompt_hide(t->prompt);
    if (coming->compressed && t->args.trace)
        frames_inflated(&t->frames, packed, m->len);
    print_message(&t->args, m, t->prompt != NULL && isatty(STDOUT_FILENO));
    if (fflush(stdout) == 0)
        return true;
    char why[TOOL_WHY];
    snprintf(why, sizeof(why), "cannot write to standard output: %s", strerror(errno));
    tool_fail(t, why);
    return false;
}

void tool_ponged(duet_conn *c, unsigned rtt_us)
{
    struct tool *t = tool_of(c);
    tally_ponged(&t->tally, rtt_us);
    if (!t->args.trace && !t->asked_rtt)
        return;
    prompt_hide(t->prompt);
    if (t->args.trace)
        frames_begin(&t->frames, '*');
    fprintf(stderr, "round trip %u us\n", rtt_us);
    t->asked_rtt = false;
}

void tool_closed(duet_conn *c, const char *url, const duet_closing *why, bool expected)
{
    struct tool *t = tool_of(c);
    tally_closed(&t->tally);
    prompt_hide(t->prompt);
    if (t->args.trace) {
        frames_begin(&t->frames, '*');
        fprintf(stderr, "the peer's Close: %u (%s); ours: ", why->code, duet_code_text(why->code));
        if (why->sent != 0)
            fprintf(stderr, "%u (%s)\n", why->sent, duet_code_text(why->sent));
        else
            fputs("none\n", stderr);
    }
    if (!expected || t->args.trace)
        show_closed(t->name, url, why);
}

void tool_unopened(struct tool *t, const char *url, const duet_failure *why)
{
    prompt_hide(t->prompt);
    tally_begin(&t->tally);
    if (t->args.trace && why->status != 0) {
        frames_begin(&t->frames, '*');
        show_refusal(why);
    }
    show_failure(t->name, url, why);
    if (why->final && t->result == 0)
        t->result = why->status != 0 || why->error == DUET_ERR_HANDSHAKE ? TOOL_REFUSED : TOOL_UNREACHED;
}
