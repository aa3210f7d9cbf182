/* SPDX-License-Identifier: MIT */
/*
 * Ordinary HTTP: a page, a stream of Server-Sent Events that it listens to, and a place to POST to.
 *
 *   sse [URL]      then open http://127.0.0.1:9004/ in two windows
 */
#include <duet/duet.h>
#include <stdio.h>
#include <string.h>

static unsigned listeners;

/* A route that ends with a slash has all below it, and "/" has all that no other route takes. */
static void page(duet_http *x, const duet_request *r)
{
    if (strcmp(duet_request_path(r), "/") != 0) {
        duet_http_text(x, 404, "not found");
        return;
    }
    static const char html[] = "<!doctype html>\n"
                               "<meta charset=\"utf-8\">\n"
                               "<title>Said</title>\n"
                               "<form><input autofocus> <button>Say</button> <output>0</output> listening</form>\n"
                               "<ul></ul>\n"
                               "<script>\n"
                               "const $ = (name) => document.querySelector(name);\n"
                               "const events = new EventSource('events');\n"
                               "events.onmessage = (e) => $('ul').append(e.data, document.createElement('br'));\n"
                               "events.addEventListener('listening', (e) => { $('output').value = e.data; });\n"
                               "$('form').onsubmit = (e) => {\n"
                               "    e.preventDefault();\n"
                               "    fetch('say', { method: 'POST', body: $('input').value });\n"
                               "};\n"
                               "</script>\n";
    static const duet_http_page file = {
        .type = "text/html; charset=utf-8",
        .etag = "\"said-1\"",
        .data = html,
        .len = sizeof(html) - 1,
    };
    duet_http_page_reply(x, r, &file, NULL);
}

/* A publication's payload goes into each stream as it is, so it is a whole event. */
static void tell_how_many(duet_server *s)
{
    char event[64];
    int len = snprintf(event, sizeof(event), "event: listening\ndata: %u\n\n", listeners);
    duet_publish(s, "said", DUET_TEXT, event, (size_t)len);
}

/* The answer begins and has no end: from here on it is a member of the topic. */
static void events(duet_http *x, const duet_request *r)
{
    static const duet_header headers[] = {
        { "Content-Type", "text/event-stream" },
        { "Cache-Control", "no-store" },
        { NULL, NULL },
    };
    if (duet_http_begin(x, 200, headers) < 0) {
        duet_http_text(x, 503, "try again later");
        return;
    }
    if (strcmp(duet_request_method(r), "HEAD") == 0 || duet_http_subscribe(x, "said") < 0) {
        duet_http_end(x);
        return;
    }
    *(bool *)duet_http_data(x) = true;
    listeners++;
    tell_how_many(duet_http_server(x));
}

/* The peer of an answer that has not ended is gone; of a stream of events that is how it always ends. */
static void gone(duet_http *x)
{
    const bool *listens = duet_http_data(x);
    if (!*listens)
        return;
    listeners--;
    tell_how_many(duet_http_server(x));
}

static void say(duet_http *x, const duet_request *r)
{
    size_t len;
    const char *line = duet_request_body(r, &len);
    char event[1024];
    if (len == 0 || memchr(line, '\n', len) || memchr(line, '\r', len)) {
        duet_http_text(x, 400, "one line, please");
        return;
    }
    int n = snprintf(event, sizeof(event), "data: %.*s\n\n", (int)len, line);
    if (duet_publish(duet_http_server(x), "said", DUET_TEXT, event, (size_t)n) < 0)
        duet_http_text(x, 400, "this is not UTF-8");
    else
        duet_http_reply(x, 204, NULL, NULL, 0);
}

static const duet_route routes[] = {
    { .path = "/", .http = page },
    { .path = "/events", .http = events },
    { .path = "/say", .methods = "POST", .http = say },
    { .path = NULL },
};

int main(int argc, char **argv)
{
    return duet_serve(&(duet_server_config){
        DUET_SERVER_CONFIG_INIT,
        .listen = argc > 1 ? argv[1] : "http://127.0.0.1:9004",
        .on = { .gone = gone },
        .routes = routes,
        .data_size = sizeof(bool), /* of each request: whether it listens */
        .body_max = 1000,
    });
}
