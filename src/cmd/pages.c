/* SPDX-License-Identifier: MIT */
#include "cmd/pages.h"
#include "cmd/web.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *path, const void *file)
{
    return strcmp(path, ((const struct web_file *)file)->path);
}

static const struct web_file *find(const char *path)
{
    char with_ending[64];
    const struct web_file *f = bsearch(path, web_files, web_files_count, sizeof(*web_files), compare);
    if (f != NULL || strlen(path) > sizeof(with_ending) - sizeof("index.html"))
        return f;
    snprintf(with_ending, sizeof(with_ending), "%s%s", path, strcmp(path, "/") == 0 ? "index.html" : ".html");
    return bsearch(with_ending, web_files, web_files_count, sizeof(*web_files), compare);
}

static void answer(duet_http *x, const duet_request *r, const struct web_file *f)
{
    static const duet_header headers[] = {
        { "Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action "
                                     "'self'; frame-ancestors 'none'" },
        { "Referrer-Policy", "no-referrer" },
        { NULL, NULL },
    };
    if (f == NULL) {
        duet_http_text(x, 404, "not found");
        return;
    }
    duet_http_page page = { .type = f->type, .etag = f->etag, .data = f->data, .len = f->len };
    if (duet_http_page_reply(x, r, &page, headers) < 0)
        duet_http_text(x, 503, "out of memory, try again later");
}

static const char admin_pages[] = "/admin/";

void pages_http(duet_http *x, const duet_request *r)
{
    const char *path = duet_request_path(r);
    answer(x, r, strncmp(path, admin_pages, sizeof(admin_pages) - 1) == 0 ? NULL : find(path));
}

void pages_admin(duet_http *x, const duet_request *r, size_t prefix)
{
    char path[64];
    const char *rest = duet_request_path(r) + prefix;
    rest += *rest == '/';
    snprintf(path, sizeof(path), "%s%s", admin_pages, *rest == '\0' ? "index.html" : rest);
    const struct web_file *f = find(path);
    if (f == NULL)
        f = find(path + sizeof(admin_pages) - 2);
    answer(x, r, f);
}
