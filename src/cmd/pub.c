/* SPDX-License-Identifier: MIT */
#include "cmd/pub.h"
#include "cmd/feed.h"
#include "cmd/progress.h"
#include "cmd/publisher.h"
#include "cmd/show.h"
#include "cmd/tool.h"
#include <signal.h>

static const struct cmdline_option options[] = {
    { "--null", "", "Messages end with a NUL byte instead of a newline", CMDLINE_FLAG, offsetof(struct args, null) },
    { "--framed", "", "Each message has its length before it: four bytes, the most significant first", CMDLINE_FLAG,
      offsetof(struct args, framed) },
    { "--binary", "", "Each file is one binary message; with --null or --framed: messages are binary", CMDLINE_FLAG,
      offsetof(struct args, binary) },
    { "--hex", "", "Lines are hexadecimal digits and go as binary messages", CMDLINE_FLAG, offsetof(struct args, hex) },
    { "--rate", "N", "Send at most N messages a second", CMDLINE_NUMBER, offsetof(struct args, rate), .least = 1,
      .most = ARGS_RATE_MOST },
    { "--channel", "NAME", "Publish in it by the API of the server at URL; repeats", CMDLINE_LIST,
      offsetof(struct args, channels) },
    { "--api-key-file", "FILE", "With --channel: the API's key is in FILE", CMDLINE_TEXT,
      offsetof(struct args, api_key_file) },
    { "--idempotency-key", "KEY", "With --channel: message N has the key KEY-N, and is published once", CMDLINE_TEXT,
      offsetof(struct args, idempotency_key) },
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
    .end = "URL is ws://, wss://, http://, https:// or unix:/path; with --channel that of the server itself, such as\n"
           "http://127.0.0.1:8080. See duet-pub(1).",
};

struct pub {
    struct tool tool; /* first: tool_of() is this */
    duet_client *client;
    struct feed *feed; /* from when it is open */
    struct progress *progress;
    struct publisher *publisher; /* NULL: it is a connection that is sent on */
    bool all_sent;
};

static struct pub *pub_of(const duet_conn *c)
{
    return (struct pub *)tool_of(c);
}

static void leave(struct pub *me)
{
    duet_conn *c = me->client != NULL ? duet_client_conn(me->client) : NULL;
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
    if (me->publisher != NULL && publisher_result(me->publisher) != 0)
        me->tool.result = publisher_result(me->publisher); /* which was said */
    else if (why != NULL)
        tool_fail(&me->tool, why);
    leave(me);
}

static enum feed_form form_of(const struct args *a)
{
    return a->null ? FEED_NULL : a->framed ? FEED_FRAMED : a->hex ? FEED_HEX : a->binary ? FEED_WHOLE : FEED_LINES;
}

/* False: it was said. */
static bool open_feed(struct pub *me, int (*send)(void *arg, duet_type type, const void *data, size_t len))
{
    const struct args *a = &me->tool.args;
    me->feed = feed_new(me->tool.loop, &(struct feed_config){
                                           .name = me->tool.name,
                                           .files = a->words + 1,
                                           .form = form_of(a),
                                           .binary = a->binary,
                                           .rate = a->rate,
                                           .send = send,
                                           .ended = input_ended,
                                           .arg = me,
                                       });
    if (me->feed == NULL) {
        input_ended(me, duet_strerror(DUET_ERR_NOMEM));
        return false;
    }
    me->progress = progress_new(me->tool.loop, me->feed);
    return true;
}

static void opened(duet_conn *c)
{
    struct pub *me = pub_of(c);
    tool_opened(c);
    if (open_feed(me, NULL))
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

/* By the API. */

static int publish(void *arg, duet_type type, const void *data, size_t len)
{
    struct pub *me = arg;
    progress_hide(me->progress);
    return publisher_send(me->publisher, type, data, len);
}

/* Its signals wait for the loop, which waits for the answer. */
static bool is_interrupted(void *arg)
{
    sigset_t waiting;
    (void)arg;
    return sigpending(&waiting) == 0 && (sigismember(&waiting, SIGINT) || sigismember(&waiting, SIGTERM));
}

static void publish_all(struct pub *me)
{
    struct tool *t = &me->tool;
    char why[CMDLINE_WHY];
    int rc = publisher_new(&me->publisher,
                           &(struct publisher_config){
                               .name = t->name,
                               .url = t->args.words[0],
                               .args = &t->args,
                               .channels = t->args.channels,
                               .key_file = t->args.api_key_file,
                               .idempotency_key = t->args.idempotency_key,
                               .interrupted = is_interrupted,
                           },
                           why);
    if (rc < 0) {
        show_line(t->name, why);
        t->result = rc == DUET_ERR_NOMEM ? TOOL_FAILED : TOOL_USAGE;
    } else if (open_feed(me, publish)) {
        feed_begin(me->feed);
        tool_run(t);
    }
}

/* What is of connections alone would be passed over. */
static const char *misfit_of_api(const struct args *a)
{
    if (a->channels[0] == NULL)
        return a->api_key_file == NULL && a->idempotency_key == NULL
                   ? NULL
                   : "--api-key-file and --idempotency-key need --channel NAME, for the API";
    if (a->stats || a->trace || a->deflate || a->ping_ms != ARGS_UNSET || a->redirects > 0 ||
        a->subprotocols[0] != NULL)
        return "--stats, --trace, --deflate, --ping, --redirects and --subprotocol are of WebSockets, not of the API";
    return NULL;
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
    return misfit_of_api(a);
}

int pub_main(int argc, char **argv)
{
    struct pub me = { .tool = { .misfit = misfit, .interrupted = interrupted } };
    struct tool *t = &me.tool;
    bool begun = tool_begin(t, &line, NULL, argc, argv);
    if (begun && t->args.channels[0] != NULL) {
        publish_all(&me);
    } else if (begun) {
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
    publisher_free(me.publisher);
    if (t->args.stats && t->result != TOOL_USAGE)
        tally_print(&t->tally, stderr);
    tool_end(t);
    return t->result;
}
