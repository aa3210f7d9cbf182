/* SPDX-License-Identifier: MIT */
#include "cmd/connect.h"
#include "cmd/feed.h"
#include "cmd/show.h"
#include "cmd/tool.h"
#include <stdio.h>

enum { WAIT_MS = 1000 };

static const struct cmdline_option options[] = {
    { "--binary", "", "All of the input is one binary message; those that come are printed without a newline",
      CMDLINE_FLAG, offsetof(struct args, binary) },
    { "--hex", "", "Lines are hexadecimal digits and go as binary messages; those that come are printed so",
      CMDLINE_FLAG, offsetof(struct args, hex) },
    { "--raw", "", "Print the peer's bytes as they are on a terminal, too", CMDLINE_FLAG, offsetof(struct args, raw) },
    { "--count", "N", "End after N messages were received", CMDLINE_NUMBER, offsetof(struct args, count), .least = 1,
      .most = ARGS_COUNT_MOST },
    { "--wait", "SECONDS", "Stay this long after the input's end (1; with --count until they came)", CMDLINE_SECONDS,
      offsetof(struct args, wait_ms), .most = ARGS_SECONDS_MOST },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet connect",
    .words = "URL",
    .options = options,
    .shared = args_reach,
    .shared_title = ARGS_TITLE,
    .about = "Sends the lines of standard input as text messages, and prints those that come.",
    .end = "URL is ws://, wss://, http://, https:// or unix:/path. See duet-connect(1).",
};

struct connect {
    struct tool tool; /* first: tool_of() is this */
    duet_client *client;
    struct feed *feed;   /* while it is open */
    duet_timer *waiting; /* since the input's end */
    long received;
    bool leaving; /* we have closed: what still comes is not printed */
};

static struct connect *connect_of(const duet_conn *c)
{
    return (struct connect *)tool_of(c);
}

static bool wants_more(const struct connect *me)
{
    return me->tool.args.count != ARGS_UNSET && me->received < me->tool.args.count;
}

static void leave(struct connect *me)
{
    duet_conn *c = duet_client_conn(me->client);
    me->leaving = true;
    feed_stop(me->feed);
    if (c != NULL)
        duet_close(c, DUET_CODE_NORMAL, NULL);
    else
        duet_loop_stop(me->tool.loop);
}

static void waited(void *arg)
{
    leave(arg);
}

static void input_ended(void *arg, const char *why)
{
    struct connect *me = arg;
    long wait_ms = me->tool.args.wait_ms;
    if (why != NULL) {
        tool_fail(&me->tool, why);
        leave(me);
    } else if (wait_ms != ARGS_UNSET) {
        duet_timer_set(me->waiting, (uint64_t)wait_ms);
    } else if (!wants_more(me)) {
        duet_timer_set(me->waiting, WAIT_MS);
    }
}

static void opened(duet_conn *c)
{
    struct connect *me = connect_of(c);
    const struct args *a = &me->tool.args;
    if (a->trace)
        show_open(c);
    me->feed = feed_new(me->tool.loop, &(struct feed_config){
                                           .name = me->tool.name,
                                           .form = a->binary ? FEED_WHOLE : a->hex ? FEED_HEX : FEED_LINES,
                                           .conn = c,
                                           .ended = input_ended,
                                           .arg = me,
                                       });
    if (me->feed == NULL)
        input_ended(me, duet_strerror(DUET_ERR_NOMEM));
}

static void received(duet_conn *c, const duet_msg *m)
{
    struct connect *me = connect_of(c);
    if (me->leaving)
        return;
    me->received++;
    if (!tool_print(&me->tool, m) || me->received == me->tool.args.count)
        leave(me);
}

static void drained(duet_conn *c)
{
    feed_go_on(connect_of(c)->feed);
}

static void ponged(duet_conn *c, unsigned rtt_us)
{
    if (tool_of(c)->args.trace)
        fprintf(stderr, "* round trip %u us\n", rtt_us);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct connect *me = connect_of(c);
    bool enough = me->tool.args.count != ARGS_UNSET && !wants_more(me);
    feed_free(me->feed);
    me->feed = NULL;
    show_closed(me->tool.name, NULL, why);
    if (!show_is_clean(why) && !enough)
        me->tool.result = 1;
    duet_loop_stop(me->tool.loop);
}

static void failed(duet_client *client, const duet_failure *why)
{
    struct connect *me = duet_client_arg(client);
    if (me->tool.signals > 0)
        return;
    if (me->tool.args.trace)
        show_refusal(why);
    show_failure(me->tool.name, me->tool.args.words[0], why);
    me->tool.result = 1;
    duet_loop_stop(me->tool.loop);
}

/* Ctrl-C. Before it is open there is nothing to close. */
static void interrupted(struct tool *t)
{
    struct connect *me = (struct connect *)t;
    if (duet_client_conn(me->client) == NULL)
        t->result = 1;
    leave(me);
}

static void run(struct connect *me)
{
    struct tool *t = &me->tool;
    duet_client_config config = tool_config(t);
    config.url = t->args.words[0];
    config.on = (duet_handler){
        .open = opened, .message = received, .drain = drained, .pong = ponged, .close = closed
    };
    config.failed = failed;
    me->waiting = duet_timer_new(t->loop, waited, me);
    if (me->waiting == NULL) {
        tool_fail(t, duet_strerror(DUET_ERR_NOMEM));
        return;
    }
    if (!tool_connect(t, &me->client, &config))
        return;
    duet_loop_run(t->loop);
    duet_client_free(me->client);
    if (wants_more(me) && t->result == 0 && t->signals == 0) {
        char why[TOOL_WHY];
        snprintf(why, sizeof(why), "%ld messages came, not %ld; --wait SECONDS gives them longer", me->received,
                 t->args.count);
        tool_fail(t, why);
    }
}

static const char *misfit(const struct tool *t)
{
    if (t->args.words_count > 1)
        return "one URL is enough; options begin with two dashes, see --help";
    if (t->args.binary && t->args.hex)
        return "--binary and --hex do not go together; leave one out";
    return NULL;
}

int connect_main(int argc, char **argv)
{
    struct connect me = { .tool = { .misfit = misfit, .interrupted = interrupted } };
    if (tool_begin(&me.tool, &line, NULL, argc, argv))
        run(&me);
    duet_timer_free(me.waiting);
    tool_end(&me.tool);
    return me.tool.result;
}
