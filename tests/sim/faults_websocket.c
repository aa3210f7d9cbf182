/* SPDX-License-Identifier: MIT */
/* A client of the library and the server: what WebSockets do with each other. */
#include "stage.h"
#include <string.h>

static void opens(void)
{
    visit(NULL);
}

static void asks_for_more(void)
{
    static const char *const offered[] = { "other", "chat", NULL };
    static const duet_header more[] = { { "X-More", "yes" }, { NULL, NULL } };
    visit(&(duet_client_config){ .subprotocols = offered, .headers = more, .origin = "http://127.0.0.1" });
}

static void text(void)
{
    int i = visit(NULL);
    tell(i, "hello");
    tell(i, "");
    tell(i, "again, and longer, and longer, and longer, so that it can be packed, packed, packed, packed, packed");
}

static void medium(void)
{
    tell_bytes(visit(NULL), 'm', 5000);
}

static void large(void)
{
    tell_bytes(visit(NULL), 'l', STAGE_LARGE);
}

static void large_back(void)
{
    tell(visit(NULL), "#");
    settle(100);
}

static void client_parts(void)
{
    int i = visit(NULL);
    if (conn(i) != NULL && duet_send_begin(conn(i), DUET_BINARY) == 0)
        for (int k = 0; k < 4 && conn(i) != NULL; k++)
            duet_send_part(conn(i), stage.large + 1, k % 2 ? 5000 : 70, k == 3);
    settle(30);
}

static void server_parts(void)
{
    tell(visit(NULL), "%");
}

static void many(void)
{
    int i = visit(NULL);
    for (int k = 0; k < 300 && conn(i) != NULL; k++)
        duet_send(conn(i), DUET_TEXT, "one of many", 11);
    settle(40);
}

static void pings(void)
{
    int i = visit(NULL);
    if (conn(i) != NULL)
        duet_ping(conn(i));
    tell(i, "?");
}

static void idle(void)
{
    visit(&(duet_client_config){ .ping_ms = 1000, .pong_ms = 500 });
    settle(3000);
}

static void client_closes(void)
{
    int i = visit(NULL);
    if (conn(i) != NULL)
        duet_close(conn(i), 1000, "bye");
    settle(40);
}

static void server_closes(void)
{
    tell(visit(NULL), "q");
}

static void client_aborts(void)
{
    int i = visit(NULL);
    if (conn(i) != NULL)
        duet_abort(conn(i));
    settle(40);
}

static void server_aborts(void)
{
    tell(visit(NULL), "x");
}

static void freed_while_it_opens(void)
{
    int i = visit(&(duet_client_config){ .resolve_ms = 1000 });
    if (i >= 0) {
        duet_client_free(stage.visitors[i].client);
        stage.visitors[i].client = NULL;
    }
    settle(10);
}

static void published(void)
{
    int a = visit(NULL), b = visit(NULL);
    tell(b, "*news");
    tell(a, "^news for others");
    tell(a, "-");
    tell(b, "*no news for all");
}

static void published_large(void)
{
    int a = visit(NULL);
    visit(NULL);
    tell_bytes(a, '*', 20000);
}

static void shared(void)
{
    int i = visit(NULL);
    tell(i, "=small");
    tell_bytes(i, '=', 20000);
}

static void by_id(void)
{
    int a = visit(NULL);
    visit(NULL);
    tell(a, "@to the other one");
}

static void posted(void)
{
    int i = visit(NULL);
    if (conn(i) != NULL)
        duet_send(conn(i), DUET_TEXT, "|", 1);
    tell(i, "behind");
}

static void slow_reader(void)
{
    int i = visit(NULL);
    if (conn(i) != NULL)
        duet_pause(conn(i));
    for (int k = 0; k < 3; k++)
        tell(i, "#");
    if (conn(i) != NULL)
        duet_resume(conn(i));
    settle(200);
}

static void stuck_reader(void)
{
    int i = visit(NULL);
    if (conn(i) != NULL)
        duet_pause(conn(i));
    for (int k = 0; k < 6; k++)
        tell(i, "#");
    settle(12000);
}

static void cut_off(void)
{
    tell(visit(NULL), "before");
    kernel_cut(false);
    settle(50);
}

static void cut_in_a_message(void)
{
    int i = visit(NULL);
    if (conn(i) != NULL && duet_send_begin(conn(i), DUET_BINARY) == 0)
        duet_send_part(conn(i), stage.large + 1, 9000, false);
    settle(5);
    kernel_cut(false);
    settle(50);
}

static void comes_back(void)
{
    int i = visit(&(duet_client_config){ .retry = true, .retry_first_ms = 50 });
    kernel_cut(false);
    settle(200);
    tell(i, "here again");
}

static void vanishes(void)
{
    visit(&(duet_client_config){ .ping_ms = 1000, .pong_ms = 500 });
    kernel_cut(true);
    settle(40000);
}

static void drained(void)
{
    int i = visit(NULL);
    tell(i, "#");
    duet_server_drain(stage.server);
    settle(500);
}

const struct scenario websocket_scenarios[] = {
    { "opens", opens, EVERYWHERE, 3 },
    { "asks for more", asks_for_more, EVERYWHERE, 3 },
    { "text", text, EVERYWHERE, 3 },
    { "5000 bytes", medium, EVERYWHERE, 3 },
    { "300 KiB", large, EVERYWHERE, 3 },
    { "300 KiB back", large_back, EVERYWHERE, 3 },
    { "parts from the client", client_parts, EVERYWHERE, 3 },
    { "parts from the server", server_parts, EVERYWHERE, 3 },
    { "300 messages", many, EVERYWHERE, 3 },
    { "pings", pings, EVERYWHERE, 1 },
    { "idle", idle, EVERYWHERE, 1 },
    { "the client closes", client_closes, EVERYWHERE, 1 },
    { "the server closes", server_closes, EVERYWHERE, 1 },
    { "the client aborts", client_aborts, EVERYWHERE, 1 },
    { "the server aborts", server_aborts, EVERYWHERE, 1 },
    { "freed while it opens", freed_while_it_opens, EVERYWHERE, 1 },
    { "published", published, EVERYWHERE, 3 },
    { "published, 20 KB", published_large, EVERYWHERE, 3 },
    { "shared", shared, EVERYWHERE, 3 },
    { "by id", by_id, EVERYWHERE, 3 },
    { "posted", posted, EVERYWHERE, 3 },
    { "slow reader", slow_reader, EVERYWHERE, 3 },
    { "stuck reader", stuck_reader, EVERYWHERE, 1 },
    { "cut off", cut_off, EVERYWHERE, 3 },
    { "cut off in a message", cut_in_a_message, EVERYWHERE, 3 },
    { "comes back", comes_back, EVERYWHERE, 3 },
    { "vanishes", vanishes, EVERYWHERE, 1 },
    { "drained", drained, EVERYWHERE, 3 },
    { "text in pieces", text, EVERYWHERE | IN_PIECES, 1 },
    { "300 KiB in pieces", large, EVERYWHERE | IN_PIECES, 1 },
    { NULL, NULL, 0, 0 },
};
