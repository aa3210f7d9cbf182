/* SPDX-License-Identifier: MIT */
#include "cmd/sub.h"
#include "base/mem.h"
#include "cmd/show.h"
#include "cmd/tool.h"
#include <stdio.h>

/* A short first wait: what is published meanwhile is missed. */
enum { RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 30000 };

static const struct cmdline_option options[] = {
    { "--null", "", "Each message ends with a NUL byte instead of a newline", CMDLINE_FLAG,
      offsetof(struct args, null) },
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
        duet_loop_stop(me->tool.loop);
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
        duet_loop_stop(me->tool.loop);
}

static void opened(duet_conn *c)
{
    struct sub *me = sub_of(c);
    if (me->tool.args.trace)
        show_open(c);
}

static void received(duet_conn *c, const duet_msg *m)
{
    struct sub *me = sub_of(c);
    if (me->leaving)
        return;
    me->received++;
    if (!tool_print(&me->tool, m) || me->received == me->tool.args.count)
        leave(me);
}

static void ponged(duet_conn *c, unsigned rtt_us)
{
    if (tool_of(c)->args.trace)
        fprintf(stderr, "* round trip %u us\n", rtt_us);
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
    show_closed(me->tool.name, url_of(me, duet_client_of(c)), why);
    if (!final) {
        show_line(me->tool.name, "it will be tried again; what is sent meanwhile is missed");
        return;
    }
    if (!show_is_clean(why))
        me->tool.result = 1;
    one_less(me);
}

static void failed(duet_client *client, const duet_failure *why)
{
    struct sub *me = duet_client_arg(client);
    if (me->leaving)
        return;
    if (me->tool.args.trace)
        show_refusal(why);
    show_failure(me->tool.name, url_of(me, client), why);
    if (!why->final)
        return;
    me->tool.result = 1;
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
    config.on = (duet_handler){ .open = opened, .message = received, .pong = ponged, .close = closed };
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

int sub_main(int argc, char **argv)
{
    struct sub me = { .tool.interrupted = interrupted };
    if (tool_begin(&me.tool, &line, NULL, argc, argv) && connect_all(&me))
        duet_loop_run(me.tool.loop);
    me.leaving = true;
    for (size_t i = 0; me.clients != NULL && i < me.tool.args.words_count; i++)
        duet_client_free(me.clients[i]);
    mem_free(me.clients);
    tool_end(&me.tool);
    return me.tool.result;
}
