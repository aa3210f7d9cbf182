/* SPDX-License-Identifier: MIT */
/*
 * The operators' page and what it asks for, below ADMIN_PATH:
 *
 *     /admin                      the page, from web/admin/; it says nothing, and asks for the token
 *     /admin/live                 a WebSocket: the figures (cmd/figures.h), once a second while somebody looks
 *     /admin/trace/NAME           a WebSocket: what happens to publications of a channel (wire/tracer.h)
 *     /admin/channel?name=NAME    {"options":{...},"subscribers":9}, or {"error":{...}} as the API has it
 *     /admin/api/METHOD           as the backends' API (wire/api.h), behind the operators' door
 *
 * Each but the page and its files wants the token, or is otherwise guarded (cmd/admin.h).
 */
#ifndef CMD_CONSOLE_H
#define CMD_CONSOLE_H

#include "cmd/admin.h"
#include "cmd/journal.h"
#include "wire/wire.h"

#define ADMIN_PATH    "/admin"
#define CONSOLE_LIVE  ADMIN_PATH "/live"
#define CONSOLE_TRACE ADMIN_PATH "/trace/"
#define CONSOLE_LOOK  ADMIN_PATH "/channel"
#define CONSOLE_API   ADMIN_PATH "/api/"

struct console;

struct console_config {
    struct admin_door door;
    duet_server *server; /* the site's, of which it tells */
    struct hub *hub;
    struct journal *journal;
};

/* All borrowed. 0 or a negative error. */
int console_new(struct console **out, const struct console_config *config);
void console_free(struct console *c); /* behind duet_server_free(). NULL is fine */
/* Once a second, one thread at a time. */
void console_beat(struct console *c);

/* The server's duet_server_arg() leads to the console by this. */
struct console *console_of(duet_server *s);
const struct admin_door *console_door(const struct console *c);

/* Of the routes. */
void console_page(duet_http *x, const duet_request *r);
void console_live(duet_http *x, const duet_request *r);
void console_trace(duet_http *x, const duet_request *r);
void console_look(duet_http *x, const duet_request *r);
void console_api(duet_http *x, const duet_request *r);

/* Members of a table. */
#define CONSOLE_ROUTES                                                                                                 \
    { .path = ADMIN_PATH, .http = console_page }, { .path = ADMIN_PATH "/", .http = console_page },                    \
        { .path = CONSOLE_LIVE, .websocket = true, .upgrade = console_live },                                          \
        { .path = CONSOLE_TRACE, .websocket = true, .upgrade = console_trace },                                        \
        { .path = CONSOLE_LOOK, .http = console_look },                                                                \
    {                                                                                                                  \
        .path = CONSOLE_API, .methods = "POST", .http = console_api                                                    \
    }

#endif
