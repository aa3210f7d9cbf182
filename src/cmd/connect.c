/* SPDX-License-Identifier: MIT */
#include "cmd/connect.h"
#include "base/buf.h"
#include "cmd/feed.h"
#include "cmd/help.h"
#include "cmd/print.h"
#include "cmd/show.h"
#include "cmd/slash.h"
#include "cmd/tool.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 1000, RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 30000 };

static const struct cmdline_option options[] = {
    { "--binary", "", "All of the input is one binary message; those that come are printed without a newline",
      CMDLINE_FLAG, offsetof(struct args, binary) },
    { "--hex", "", "Lines are hexadecimal digits and go as binary messages; those that come are printed so",
      CMDLINE_FLAG, offsetof(struct args, hex) },
    { "--json", "", "Lay JSON messages out on a terminal; in a pipe each becomes one line", CMDLINE_FLAG,
      offsetof(struct args, json) },
    { "--raw", "", "Print the peer's bytes as they are on a terminal, too", CMDLINE_FLAG, offsetof(struct args, raw) },
    { "--timestamps", "", "Begin each message with the time of its coming", CMDLINE_FLAG,
      offsetof(struct args, timestamps) },
    { "--send", "TEXT", "Send this first; repeats", CMDLINE_LIST, offsetof(struct args, sends) },
    { "--count", "N", "End after N messages were received", CMDLINE_NUMBER, offsetof(struct args, count), .least = 1,
      .most = ARGS_COUNT_MOST },
    { "--wait", "SECONDS", "Stay this long after the input's end (1; with --count until they came)", CMDLINE_SECONDS,
      offsetof(struct args, wait_ms), .most = ARGS_SECONDS_MOST },
    { "--retry", "", "Come back when the connection is lost or cannot be opened", CMDLINE_FLAG,
      offsetof(struct args, retry) },
    { "--stats", "", "Tell at the end what passed", CMDLINE_FLAG, offsetof(struct args, stats) },
    { "--no-history", "", "Keep no file of the lines typed at a terminal", CMDLINE_FLAG,
      offsetof(struct args, no_history) },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet connect",
    .words = "URL",
    .options = options,
    .shared = args_reach,
    .shared_title = ARGS_TITLE,
    .about = "Sends the lines of standard input as text messages, and prints those that come. At a terminal lines can\n"
             "be edited, and /help tells of commands.",
    .end = "URL is ws://, wss://, http://, https:// or unix:/path. See duet-connect(1).",
};

struct connect {
    struct tool tool; /* first: tool_of() is this */
    duet_client *client;
    struct feed *feed;   /* of a pipe or a file, from the first connection on */
    duet_timer *waiting; /* since the input's end */
    long received;
    bool greeted; /* --send was sent */
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
    prompt_say(me->tool.prompt, "closing");
    if (c != NULL)
        duet_close(c, DUET_CODE_NORMAL, NULL);
    else
        tool_stop(&me->tool);
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

static void prompt_ended(void *arg)
{
    leave(arg);
}

static void say_unsent(struct connect *me, int rc)
{
    if (rc == DUET_ERR_FULL)
        show_line(me->tool.name, "not sent: too much waits for the server to read it");
    else if (rc == DUET_ERR_CLOSED)
        show_line(me->tool.name, "not sent: there is no connection now");
    else if (rc < 0)
        show_line(me->tool.name, duet_strerror(rc));
}

/* The line was cleared: it stands with its time where it was. */
static void show_typed(const struct args *a, const char *text, size_t len)
{
    bool colour = help_begin(stderr).colour;
    if (!a->timestamps)
        return;
    print_time(stderr, true);
    fputs(colour ? "\x1b[36m>\x1b[0m " : "> ", stderr);
    show_safe(stderr, text, len);
    putc('\n', stderr);
}

static void typed(void *arg, const char *text, size_t len)
{
    struct connect *me = arg;
    struct tool *t = &me->tool;
    duet_conn *c = duet_client_conn(me->client);
    show_typed(&t->args, text, len);
    if (text[0] == '/' && text[1] != '/') {
        slash_do(t, c, text);
        return;
    }
    text += text[0] == '/';
    if (!t->args.hex) {
        say_unsent(me, c ? duet_send(c, DUET_TEXT, text, strlen(text)) : DUET_ERR_CLOSED);
        return;
    }
    char command[] = "/binary ";
    struct buf b;
    buf_init(&b, NULL, 0);
    buf_printf(&b, "%s%s", command, text);
    if (!b.failed)
        slash_do(t, c, b.at);
    buf_fini(&b);
}

static void greet(struct connect *me, duet_conn *c)
{
    for (const char **text = me->tool.args.sends; !me->greeted && *text != NULL; text++) {
        int rc = duet_send(c, DUET_TEXT, *text, strlen(*text));
        if (rc < 0)
            tool_fail(&me->tool, rc == DUET_ERR_UTF8 ? "--send takes UTF-8" : duet_strerror(rc));
    }
    me->greeted = true;
}

/* Standard input that is no prompt's. */
static void start_feed(struct connect *me, duet_conn *c)
{
    const struct args *a = &me->tool.args;
    if (me->feed == NULL)
        me->feed = feed_new(me->tool.loop, &(struct feed_config){
                                               .name = me->tool.name,
                                               .form = a->binary ? FEED_WHOLE : a->hex ? FEED_HEX : FEED_LINES,
                                               .patient = a->retry,
                                               .ended = input_ended,
                                               .arg = me,
                                           });
    if (me->feed == NULL)
        input_ended(me, duet_strerror(DUET_ERR_NOMEM));
    feed_connect(me->feed, c);
}

static void opened(duet_conn *c)
{
    struct connect *me = connect_of(c);
    struct tool *t = &me->tool;
    tool_opened(c);
    greet(me, c);
    if (t->prompt == NULL) {
        start_feed(me, c);
        return;
    }
    if (t->tally.connections == 1)
        fprintf(stderr, "%s: connected; /help tells of commands, Ctrl-D closes\n", t->name);
    prompt_say(t->prompt, t->args.hex ? "hex>" : ">");
    prompt_begin(t->prompt);
}

static void received(duet_conn *c, const duet_msg *m)
{
    struct connect *me = connect_of(c);
    if (me->leaving)
        return;
    me->received++;
    if (!tool_message(c, m) || me->received == me->tool.args.count)
        leave(me);
}

static void drained(duet_conn *c)
{
    feed_go_on(connect_of(c)->feed);
}

/* It comes back, with --retry, but not after the codes that <duet/client.h> names. */
static void closed(duet_conn *c, const duet_closing *why)
{
    struct connect *me = connect_of(c);
    struct tool *t = &me->tool;
    bool again = t->args.retry && !me->leaving && !t->left && why->code != DUET_CODE_NORMAL &&
                 why->code != DUET_CODE_POLICY;
    bool enough = t->args.count != ARGS_UNSET && !wants_more(me);
    tool_closed(c, NULL, why, false);
    feed_connect(me->feed, NULL);
    if (again) {
        show_line(t->name, "it will be tried again; what was on its way is lost");
        prompt_say(t->prompt, "not connected");
        return;
    }
    if (!show_is_clean(why) && !enough && t->result == 0)
        t->result = TOOL_CLOSED;
    tool_stop(t);
}

static void failed(duet_client *client, const duet_failure *why)
{
    struct connect *me = duet_client_arg(client);
    if (me->tool.over || me->tool.signals > 0)
        return;
    tool_unopened(&me->tool, me->tool.args.words[0], why);
    if (why->final)
        tool_stop(&me->tool);
}

/* Ctrl-C. Before it is open there is nothing to close. */
static void interrupted(struct tool *t)
{
    struct connect *me = (struct connect *)t;
    if (duet_client_conn(me->client) == NULL)
        t->result = TOOL_FAILED;
    leave(me);
}

/* A prompt, where lines are typed. */
static void make_prompt(struct connect *me)
{
    struct tool *t = &me->tool;
    if (t->args.binary || !prompt_possible())
        return;
    t->prompt = prompt_new(t->loop, &(struct prompt_config){
                                        .history = !t->args.no_history,
                                        .retype = t->args.timestamps,
                                        .line = typed,
                                        .ended = prompt_ended,
                                        .arg = me,
                                    });
}

static void run(struct connect *me)
{
    struct tool *t = &me->tool;
    duet_client_config config = tool_config(t);
    config.url = t->args.words[0];
    config.on = (duet_handler){
        .open = opened, .message = received, .drain = drained, .pong = tool_ponged, .close = closed
    };
    config.failed = failed;
    config.retry = t->args.retry;
    config.retry_first_ms = RETRY_FIRST_MS;
    config.retry_most_ms = RETRY_MOST_MS;
    me->waiting = duet_timer_new(t->loop, waited, me);
    if (me->waiting == NULL) {
        tool_fail(t, duet_strerror(DUET_ERR_NOMEM));
        return;
    }
    make_prompt(me);
    if (!tool_connect(t, &me->client, &config))
        return;
    tool_run(t);
    t->over = true;
    duet_client_free(me->client);
    if (wants_more(me) && t->result == 0 && t->signals == 0) {
        char why[TOOL_WHY];
        snprintf(why, sizeof(why), "%ld messages came, not %ld; --wait SECONDS gives them longer", me->received,
                 t->args.count);
        tool_fail(t, why);
    }
    if (t->args.stats)
        tally_print(&t->tally, stderr);
}

static const char *misfit(const struct tool *t)
{
    const struct args *a = &t->args;
    if (a->words_count > 1)
        return "one URL is enough; options begin with two dashes, see --help";
    if (a->binary && a->hex)
        return "--binary and --hex do not go together; leave one out";
    if (a->binary && a->retry)
        return "--binary sends one message, which cannot go on over another connection; leave --retry out";
    if (a->json && a->hex)
        return "--json and --hex do not go together; leave one out";
    return NULL;
}

int connect_main(int argc, char **argv)
{
    struct connect me = { .tool = { .misfit = misfit, .interrupted = interrupted } };
    if (tool_begin(&me.tool, &line, NULL, argc, argv))
        run(&me);
    feed_free(me.feed);
    duet_timer_free(me.waiting);
    tool_end(&me.tool);
    return me.tool.result;
}
