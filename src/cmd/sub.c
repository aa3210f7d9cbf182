/* SPDX-License-Identifier: MIT */
#include "cmd/sub.h"
#include "base/mem.h"
#include "cmd/show.h"
#include "cmd/tool.h"
#include <unistd.h>

/* A short first wait: what is published meanwhile is missed. */
enum { RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 30000 };

static const struct cmdline_option options[] = {
    { "--null", "", "Each message ends with a NUL byte instead of a newline", CMDLINE_FLAG,
      offsetof(struct args, null) },
    { "--framed", "", "Each message has its length before it: four bytes, the most significant first", CMDLINE_FLAG,
      offsetof(struct args, framed) },
    { "--hex", "", "Messages are printed as hexadecimal digits", CMDLINE_FLAG, offsetof(struct args, hex) },
    { "--json", "", "Lay JSON messages out on a terminal; in a pipe each becomes one line", CMDLINE_FLAG,
      offsetof(struct args, json) },
    { "--timestamps", "", "Begin each message with the time of its coming", CMDLINE_FLAG,
      offsetof(struct args, timestamps) },
    { "--raw", "", "Print the peer's bytes as they are on a terminal, too", CMDLINE_FLAG, offsetof(struct args, raw) },
    { "--count", "N", "End after N messages were received", CMDLINE_NUMBER, offsetof(struct args, count), .least = 1,
      .most = ARGS_COUNT_MOST },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet sub",
    .words = "URL...",
    .options = options,
    .shared = args_reach,
    .shared_title = ARGS_TITLE,
    .about = "Prints the messages that come, a line each; a connection that is lost comes back.",
    .end = "URL is ws://, wss://, http://, https:// or unix:/path. See duet-sub(1).",
};

struct sub {
    struct tool tool; /* first: tool_of() is this */
    duet_client **clients; /* as the URLs; NULL: there is none */
    size_t live;           /* that are open or may be again */
    long received;
    bool leaving; /* we have closed them all */
};

static struct sub *sub_of(const duet_conn *c)
{
    return (struct sub *)tool_of(c);
}

static const char *url_of(const struct sub *me, const duet_client *client)
{
    size_t i = 0;
    while (i + 1 < me->tool.args.words_count && me->clients[i] != client)
        i++;
    return me->tool.args.words[i];
}

static void one_less(struct sub *me)
{
    if (me->live > 0 && --me->live == 0)
        tool_stop(&me->tool);
}

/* Those that are open get their Close; those that are not need none. */
static void leave(struct sub *me)
{
    size_t open = 0;
    if (me->leaving)
        return;
    me->leaving = true;
    for (size_t i = 0; i < me->tool.args.words_count; i++) {
        duet_conn *c = duet_client_conn(me->clients[i]);
        if (c == NULL) {
            duet_client_free(me->clients[i]);
            me->clients[i] = NULL;
        } else {
            open++;
            duet_close(c, DUET_CODE_NORMAL, NULL);
        }
    }
    me->live = open;
    if (open == 0)
        tool_stop(&me->tool);
}

static void received(duet_conn *c, const duet_msg *m)
{
    struct sub *me = sub_of(c);
    if (me->leaving)
        return;
    me->received++;
    if (!tool_message(c, m) || me->received == me->tool.args.count)
        leave(me);
}

/* It comes back, but not after the codes that <duet/client.h> names for `retry`. */
static void closed(duet_conn *c, const duet_closing *why)
{
    struct sub *me = sub_of(c);
    bool final = why->code == DUET_CODE_NORMAL || why->code == DUET_CODE_POLICY;
    if (me->leaving) {
        one_less(me);
        return;
    }
    tool_closed(c, url_of(me, duet_client_of(c)), why, false);
    if (!final) {
        show_line(me->tool.name, "it will be tried again; what is sent meanwhile is missed");
        return;
    }
    if (!show_is_clean(why) && me->tool.result == 0)
        me->tool.result = TOOL_CLOSED;
    one_less(me);
}

static void failed(duet_client *client, const duet_failure *why)
{
    struct sub *me = duet_client_arg(client);
    if (me->leaving)
        return;
    tool_unopened(&me->tool, url_of(me, client), why);
    if (why->final)
        one_less(me);
}

static void interrupted(struct tool *t)
{
    leave((struct sub *)t);
}

static bool connect_all(struct sub *me)
{
    const struct args *a = &me->tool.args;
    duet_client_config config = tool_config(&me->tool);
    config.on = (duet_handler){ .open = tool_opened, .message = received, .pong = tool_ponged, .close = closed };
    config.failed = failed;
    config.retry = true;
    config.retry_first_ms = RETRY_FIRST_MS;
    config.retry_most_ms = RETRY_MOST_MS;
    me->clients = mem_zalloc(a->words_count * sizeof(*me->clients));
    if (me->clients == NULL) {
        tool_fail(&me->tool, duet_strerror(DUET_ERR_NOMEM));
        return false;
    }
    for (size_t i = 0; i < a->words_count; i++) {
        config.url = a->words[i];
        if (!tool_connect(&me->tool, &me->clients[i], &config))
            return false;
        me->live++;
    }
    return true;
}

static const char *misfit(const struct tool *t)
{
    const struct args *a = &t->args;
    if (a->framed && isatty(STDOUT_FILENO))
        return "--framed writes bytes for a program; send them to a pipe or a file";
    if (a->framed && (a->null || a->hex || a->json || a->timestamps))
        return "--framed messages are as they came; leave --null, --hex, --json and --timestamps out";
    if (a->json && a->hex)
        return "--json and --hex do not go together; leave one out";
    return NULL;
}

int sub_main(int argc, char **argv)
{
    struct sub me = { .tool = { .misfit = misfit, .interrupted = interrupted } };
    if (tool_begin(&me.tool, &line, NULL, argc, argv) && connect_all(&me))
        tool_run(&me.tool);
    me.leaving = true;
    for (size_t i = 0; me.clients != NULL && i < me.tool.args.words_count; i++)
        duet_client_free(me.clients[i]);
    mem_free(me.clients);
    tool_end(&me.tool);
    return me.tool.result;
}
