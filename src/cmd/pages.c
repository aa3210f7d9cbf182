/* SPDX-License-Identifier: MIT */
#include "cmd/pages.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MOST = 64 };

static int compare(const void *path, const void *file)
{
    return strcmp(path, ((const struct web_file *)file)->path);
}

const struct web_file *pages_file(const char *path)
{
    return bsearch(path, web_files, web_files_count, sizeof(*web_files), compare);
}

/* The file of this path and ending. NULL: there is none. */
static const struct web_file *find_ending(const char *path, const char *ending)
{
    char whole[PATH_MOST];
    int len = snprintf(whole, sizeof(whole), "%s%s", path, ending);
    return len < (int)sizeof(whole) ? pages_file(whole) : NULL;
}

void pages_put_apps(struct buf *b)
{
    static const char folder[] = "/apps/", page[] = "/index.html";
    const char *between = "";
    buf_puts(b, "[");
    for (size_t i = 0; i < web_files_count; i++) {
        if (strncmp(web_files[i].path, folder, sizeof(folder) - 1) != 0)
            continue;
        const char *name = web_files[i].path + sizeof(folder) - 1, *end = strchr(name, '/');
        if (end == NULL || strcmp(end, page) != 0)
            continue;
        buf_printf(b, "%s\"%.*s\"", between, (int)(end - name), name);
        between = ",";
    }
    buf_puts(b, "]");
}

static const struct web_file *find(const char *path)
{
    const struct web_file *f = pages_file(path);
    return f ? f : find_ending(path, path[strlen(path) - 1] == '/' ? "index.html" : ".html");
}

/* What a page may load and reach: this site, and WebSockets, since some have a server of their own. What one tree of
 * pages needs beside that stands here. */
#define POLICY                                                                                                         \
    "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

static const struct {
    const char *tree, *policy;
} policies[] = {
    { "/apps/stream/", POLICY "; media-src 'self' blob:" }, /* what a MediaSource plays */
    { "/", POLICY },
};

static const char *policy_of(const struct web_file *f)
{
    size_t i = 0;
    while (strncmp(f->path, policies[i].tree, strlen(policies[i].tree)) != 0)
        i++;
    return policies[i].policy;
}

static void answer(duet_http *x, const duet_request *r, const struct web_file *f)
{
    if (f == NULL) {
        duet_http_text(x, 404, "not found");
        return;
    }
    const duet_header headers[] = {
        { "Content-Security-Policy", policy_of(f) },
        { "Referrer-Policy", "no-referrer" },
        { NULL, NULL },
    };
    duet_http_page page = { .type = f->type, .etag = f->etag, .data = f->data, .len = f->len };
    if (duet_http_page_reply(x, r, &page, headers) < 0)
        duet_http_text(x, 503, "out of memory, try again later");
}

/* A folder is asked for with its slash, or else what its page names by itself would be looked for beside it. */
static void redirect(duet_http *x, const char *path)
{
    char to[PATH_MOST];
    const duet_header headers[] = { { "Location", to }, { NULL, NULL } };
    snprintf(to, sizeof(to), "%s/", path);
    if (duet_http_reply(x, 308, headers, NULL, 0) < 0)
        duet_http_text(x, 503, "out of memory, try again later");
}

static const char admin_pages[] = "/admin/";

static bool is_admin(const char *path)
{
    size_t len = sizeof(admin_pages) - 2;
    return strncmp(path, admin_pages, len) == 0 && (path[len] == '/' || path[len] == 0);
}

void pages_http(duet_http *x, const duet_request *r)
{
    const char *path = duet_request_path(r);
    const struct web_file *f = is_admin(path) ? NULL : find(path);
    if (f == NULL && !is_admin(path) && find_ending(path, "/index.html") != NULL)
        redirect(x, path);
    else
        answer(x, r, f);
}

void pages_admin(duet_http *x, const duet_request *r, size_t prefix)
{
    char path[PATH_MOST];
    const char *rest = duet_request_path(r) + prefix;
    rest += *rest == '/';
    snprintf(path, sizeof(path), "%s%s", admin_pages, *rest == '\0' ? "index.html" : rest);
    const struct web_file *f = find(path);
    if (f == NULL)
        f = find(path + sizeof(admin_pages) - 2);
    answer(x, r, f);
}
