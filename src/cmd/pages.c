/* SPDX-License-Identifier: MIT */
#include "cmd/pages.h"
#include "cmd/web.h"
#include <stdio.h>
#include <string.h>

/* A page by its path, its ending left out or not: "/" is index.html, "/chat" is chat.html. */
static const struct web_file *find(const char *path)
{
    char full[256];
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (int with = 0; with < 2; with++) {
        if (snprintf(full, sizeof(full), with ? "%s.html" : "%s", path) >= (int)sizeof(full))
            return NULL;
        for (size_t i = 0; i < web_files_count; i++)
            if (strcmp(web_files[i].path, full) == 0)
                return &web_files[i];
    }
    return NULL;
}

void pages_reply(duet_http *x, const duet_request *r)
{
    static const duet_header fields[] = {
        { "Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action "
                                     "'self'; frame-ancestors 'none'" },
        { "Referrer-Policy", "no-referrer" },
        { NULL, NULL },
    };
    static const duet_header allow[] = { { "Allow", "GET, HEAD" },
                                         { "Content-Type", "text/plain; charset=utf-8" },
                                         { NULL, NULL } };
    const char *method = duet_request_method(r);
    const struct web_file *file = find(duet_request_path(r));
    if (file == NULL) {
        duet_http_text(x, 404, "there is no such page");
    } else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        duet_http_reply(x, 405, allow, "method not allowed\n", 19);
    } else {
        duet_http_page page = { .type = file->type, .etag = file->etag, .data = file->data, .len = file->len };
        if (duet_http_page_reply(x, r, &page, fields) < 0)
            duet_http_text(x, 503, "out of memory");
    }
}
