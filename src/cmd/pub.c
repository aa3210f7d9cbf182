/* SPDX-License-Identifier: MIT */
#include "cmd/pub.h"
#include "cmd/feed.h"
#include "cmd/show.h"
#include "cmd/tool.h"

static const struct cmdline_option options[] = {
    { "--binary", "", "Each file is one binary message", CMDLINE_FLAG, offsetof(struct args, binary) },
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
    struct feed *feed; /* while it is open */
    bool all_sent;
};

static struct pub *pub_of(const duet_conn *c)
{
    return (struct pub *)tool_of(c);
}

static void leave(struct pub *me)
{
    duet_conn *c = duet_client_conn(me->client);
    feed_stop(me->feed);
    if (c != NULL)
        duet_close(c, DUET_CODE_NORMAL, NULL);
    else
        duet_loop_stop(me->tool.loop);
}

static void input_ended(void *arg, const char *why)
{
    struct pub *me = arg;
    me->all_sent = why == NULL;
    if (why != NULL)
        tool_fail(&me->tool, why);
    leave(me);
}

static void opened(duet_conn *c)
{
    struct pub *me = pub_of(c);
    if (me->tool.args.trace)
        show_open(c);
    me->feed = feed_new(me->tool.loop, &(struct feed_config){
                                           .name = me->tool.name,
                                           .files = me->tool.args.words + 1,
                                           .form = me->tool.args.binary ? FEED_WHOLE : FEED_LINES,
                                           .conn = c,
                                           .ended = input_ended,
                                           .arg = me,
                                       });
    if (me->feed == NULL)
        input_ended(me, duet_strerror(DUET_ERR_NOMEM));
}

static void drained(duet_conn *c)
{
    feed_go_on(pub_of(c)->feed);
}

/* The answer to our Close says that the peer has read all before it. */
static void closed(duet_conn *c, const duet_closing *why)
{
    struct pub *me = pub_of(c);
    feed_free(me->feed);
    me->feed = NULL;
    bool good = me->all_sent && show_is_clean(why);
    if (!good || me->tool.args.trace)
        show_closed(me->tool.name, NULL, why);
    if (!good)
        me->tool.result = 1;
    duet_loop_stop(me->tool.loop);
}

static void failed(duet_client *client, const duet_failure *why)
{
    struct pub *me = duet_client_arg(client);
    me->tool.result = 1;
    if (me->tool.signals > 0)
        return;
    if (me->tool.args.trace)
        show_refusal(why);
    show_failure(me->tool.name, me->tool.args.words[0], why);
    duet_loop_stop(me->tool.loop);
}

static void interrupted(struct tool *t)
{
    t->result = 1;
    leave((struct pub *)t);
}

int pub_main(int argc, char **argv)
{
    struct pub me = { .tool.interrupted = interrupted };
    struct tool *t = &me.tool;
    if (tool_begin(t, &line, NULL, argc, argv)) {
        duet_client_config config = tool_config(t);
        config.url = t->args.words[0];
        config.on = (duet_handler){ .open = opened, .drain = drained, .close = closed };
        config.failed = failed;
        if (tool_connect(t, &me.client, &config))
            duet_loop_run(t->loop);
    }
    duet_client_free(me.client);
    tool_end(t);
    return t->result;
}
