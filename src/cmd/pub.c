/* SPDX-License-Identifier: MIT */
#include "cmd/pub.h"
#include "cmd/feed.h"
#include "cmd/progress.h"
#include "cmd/show.h"
#include "cmd/tool.h"

static const struct cmdline_option options[] = {
    { "--null", "", "Messages end with a NUL byte instead of a newline", CMDLINE_FLAG, offsetof(struct args, null) },
    { "--framed", "", "Each message has its length before it: four bytes, the most significant first", CMDLINE_FLAG,
      offsetof(struct args, framed) },
    { "--binary", "", "Each file is one binary message; with --null or --framed: messages are binary", CMDLINE_FLAG,
      offsetof(struct args, binary) },
    { "--hex", "", "Lines are hexadecimal digits and go as binary messages", CMDLINE_FLAG, offsetof(struct args, hex) },
    { "--rate", "N", "Send at most N messages a second", CMDLINE_NUMBER, offsetof(struct args, rate), .least = 1,
      .most = ARGS_RATE_MOST },
    { "--stats", "", "Tell at the end what passed", CMDLINE_FLAG, offsetof(struct args, stats) },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet pub",
    .words = "URL [FILE]...",
    .options = options,
    .shared = args_reach,
    .shared_title = ARGS_TITLE,
    .about = "Sends each line of the files, or of standard input, as a text message.",
    .end = "URL is ws://, wss://, http://, https:// or unix:/path. See duet-pub(1).",
};

struct pub {
    struct tool tool; /* first: tool_of() is this */
    duet_client *client;
    struct feed *feed; /* from when it is open */
    struct progress *progress;
    bool all_sent;
};

static struct pub *pub_of(const duet_conn *c)
{
    return (struct pub *)tool_of(c);
}

static void leave(struct pub *me)
{
    duet_conn *c = duet_client_conn(me->client);
    progress_free(me->progress);
    me->progress = NULL;
    feed_stop(me->feed);
    if (c != NULL)
        duet_close(c, DUET_CODE_NORMAL, NULL);
    else
        tool_stop(&me->tool);
}

static void input_ended(void *arg, const char *why)
{
    struct pub *me = arg;
    progress_hide(me->progress);
    me->all_sent = why == NULL;
    if (why != NULL)
        tool_fail(&me->tool, why);
    leave(me);
}

static enum feed_form form_of(const struct args *a)
{
    return a->null ? FEED_NULL : a->framed ? FEED_FRAMED : a->hex ? FEED_HEX : a->binary ? FEED_WHOLE : FEED_LINES;
}

static void opened(duet_conn *c)
{
    struct pub *me = pub_of(c);
    const struct args *a = &me->tool.args;
    tool_opened(c);
    me->feed = feed_new(me->tool.loop, &(struct feed_config){
                                           .name = me->tool.name,
                                           .files = a->words + 1,
                                           .form = form_of(a),
                                           .binary = a->binary,
                                           .rate = a->rate,
                                           .ended = input_ended,
                                           .arg = me,
                                       });
    if (me->feed == NULL) {
        input_ended(me, duet_strerror(DUET_ERR_NOMEM));
        return;
    }
    me->progress = progress_new(me->tool.loop, me->feed);
    feed_connect(me->feed, c);
}

static void drained(duet_conn *c)
{
    feed_go_on(pub_of(c)->feed);
}

/* The answer to our Close says that the peer has read all before it. */
static void closed(duet_conn *c, const duet_closing *why)
{
    struct pub *me = pub_of(c);
    bool good = me->all_sent && show_is_clean(why);
    progress_hide(me->progress);
    tool_closed(c, NULL, why, good);
    feed_connect(me->feed, NULL);
    if (!good && me->tool.result == 0)
        me->tool.result = show_is_clean(why) ? TOOL_FAILED : TOOL_CLOSED;
    tool_stop(&me->tool);
}

static void failed(duet_client *client, const duet_failure *why)
{
    struct pub *me = duet_client_arg(client);
    if (me->tool.over || me->tool.signals > 0)
        return;
    tool_unopened(&me->tool, me->tool.args.words[0], why);
    tool_stop(&me->tool);
}

static void interrupted(struct tool *t)
{
    t->result = TOOL_FAILED;
    leave((struct pub *)t);
}

static const char *misfit(const struct tool *t)
{
    const struct args *a = &t->args;
    if (a->null + a->framed + a->hex > 1)
        return "of --null, --framed and --hex only one says what a message is; leave the others out";
    if (a->hex && a->binary)
        return "--binary and --hex do not go together; leave one out";
    if (a->rate > 0 && form_of(a) == FEED_WHOLE)
        return "--rate counts messages, and with --binary a file is one; leave it out";
    return NULL;
}

int pub_main(int argc, char **argv)
{
    struct pub me = { .tool = { .misfit = misfit, .interrupted = interrupted } };
    struct tool *t = &me.tool;
    if (tool_begin(t, &line, NULL, argc, argv)) {
        duet_client_config config = tool_config(t);
        config.url = t->args.words[0];
        config.on = (duet_handler){ .open = opened, .drain = drained, .pong = tool_ponged, .close = closed };
        config.failed = failed;
        if (tool_connect(t, &me.client, &config))
            tool_run(t);
    }
    t->over = true;
    duet_client_free(me.client);
    progress_free(me.progress);
    feed_free(me.feed);
    if (t->args.stats && t->result != TOOL_USAGE)
        tally_print(&t->tally, stderr);
    tool_end(t);
    return t->result;
}
