/* SPDX-License-Identifier: MIT */
/*
 * A chat with rooms: the path names the room, the query who comes in.
 *
 *   chat [URL [ORIGIN...]]      then   new WebSocket("ws://127.0.0.1:9003/room/tea?name=Ada", "chat")
 *
 * Pages of the server's own origin may connect, and those of each ORIGIN that is named.
 */
#include <duet/duet.h>
#include <stdio.h>
#include <string.h>

/* Who a connection is: its block of `data_size` bytes, filled before it opens. */
struct member {
    char room[64], name[32];
};

/* "/room/NAME" with a name that fits; false: there is no such room. */
static bool find_room(const char *path, char *room, size_t cap)
{
    if (strncmp(path, "/room/", 6) != 0 || strchr(path + 6, '/') != NULL)
        return false;
    size_t len = strlen(path + 6);
    if (len == 0 || len >= cap)
        return false;
    memcpy(room, path + 6, len + 1);
    return true;
}

/* The request passed every check of the protocol and of its Origin. What it asks for is ours to judge. */
static void admit(duet_http *x, const duet_request *r)
{
    struct member *m = duet_http_data(x);
    if (!find_room(duet_request_path(r), m->room, sizeof(m->room)))
        duet_http_text(x, 404, "no such room");
    else if (duet_request_param(r, "name", m->name, sizeof(m->name)) <= 0)
        duet_http_text(x, 404, "nobody: say who you are with ?name=");
    else
        duet_http_upgrade(x, duet_request_offers(r, "chat") ? "chat" : NULL, NULL);
}

/* Tells the others of the room what happened to this one. */
static void tell_others(duet_conn *c, const char *what)
{
    const struct member *m = duet_data(c);
    char line[64];
    int len = snprintf(line, sizeof(line), "%s %s", m->name, what);
    if (duet_publish_except(c, m->room, DUET_TEXT, line, (size_t)len) == DUET_ERR_UTF8)
        duet_close(c, DUET_CODE_INVALID, "the name is not UTF-8");
}

static void come_in(duet_conn *c)
{
    const struct member *m = duet_data(c);
    if (duet_subscribe(c, m->room) < 0) {
        duet_close(c, DUET_CODE_LATER, "out of memory");
        return;
    }
    tell_others(c, "came in");
}

/* To everybody in the room, the speaker too, so that all see the same order. */
static void say(duet_conn *c, const duet_msg *msg)
{
    const struct member *m = duet_data(c);
    char line[2048];
    if (msg->type != DUET_TEXT) {
        duet_close(c, DUET_CODE_UNSUPPORTED, "only text here");
        return;
    }
    int len = snprintf(line, sizeof(line), "%s: %.*s", m->name, (int)msg->len, (const char *)msg->data);
    duet_publish(duet_server_of(c), m->room, DUET_TEXT, line, (size_t)len);
}

static void leave(duet_conn *c, const duet_closing *why)
{
    tell_others(c, why->error == 0 ? "left" : "is lost");
}

int main(int argc, char **argv)
{
    return duet_serve(&(duet_server_config){
        DUET_SERVER_CONFIG_INIT,
        .listen = argc > 1 ? argv[1] : "ws://127.0.0.1:9003",
        .origins = argc > 2 ? (const char *const *)argv + 2 : NULL,
        .threads = 2, /* a room may have members on both */
        .on = { .upgrade = admit, .open = come_in, .message = say, .close = leave },
        .data_size = sizeof(struct member),
        .message_max = 1024,
    });
}
