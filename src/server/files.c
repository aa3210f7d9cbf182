/* SPDX-License-Identifier: MIT */
/*
 * An answer goes back and forth between the loop and the worker; while `working`, all of it but `x` is the worker's.
 *
 *   files_answer --> look: opens, chooses the coding, reads a small file --> answer: conditions, range, head
 *        small: the body in one piece, the end.        large:  pump <--> read_block, until the end
 *
 * A large body uses two blocks: one in the connection's queue, one that is read meanwhile. The queue's is ours again
 * when nobody else holds it, so a download allocates twice, however long it is and however slow its reader.
 *
 * The exchange may end at any time (`over`). What the worker has then is freed when it comes back.
 */
#include "server/files.h"
#include "base/digest.h"
#include "base/mem.h"
#include "http/accept.h"
#include "http/date.h"
#include "http/etag.h"
#include "http/range.h"
#include "http/reply.h"
#include "net/beneath.h"
#include "proto/shared.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WHOLE_MOST = 64 * 1024, BLOCK = 128 * 1024, THREADS = 4, ETAG = 24 };

static const char index_name[] = "index.html";

/* In the order of preference; identity is the last. */
static const struct coding {
    const char *name;
    char ending[4];
} codings[] = { { "br", ".br" }, { "gzip", ".gz" } };

enum { CODINGS = sizeof(codings) / sizeof(*codings), ENDING = sizeof(codings->ending) };

struct sending {
    struct work work; /* first */
    duet_http *x;     /* NULL: the exchange is over */
    bool working, begun, head_only;
    bool varies; /* there is more than one coding of it */
    int error;   /* of the worker's last call: 0 or negative */
    int fd;      /* -1: none */
    int coding;  /* -1: as it is */
    struct stat st;
    int64_t now;      /* when it was looked at; seconds since 1970 */
    uint64_t at, end; /* still to be read */
    /* Read into or to be; read and not queued yet; in the queue as long as somebody else holds it, too. */
    duet_shared *spare, *ready, *queued;
    unsigned weights[CODINGS];
    size_t path_len;
    char *root, *path; /* path: relative, with room for an ending */
    char text[];
};

static const struct {
    const char *ending, *type;
} types[] = {
    { "html", "text/html; charset=utf-8" },
    { "htm", "text/html; charset=utf-8" },
    { "css", "text/css; charset=utf-8" },
    { "js", "text/javascript; charset=utf-8" },
    { "mjs", "text/javascript; charset=utf-8" },
    { "txt", "text/plain; charset=utf-8" },
    { "md", "text/markdown; charset=utf-8" },
    { "csv", "text/csv; charset=utf-8" },
    { "vtt", "text/vtt; charset=utf-8" },
    { "xml", "text/xml; charset=utf-8" },
    { "json", "application/json" },
    { "map", "application/json" },
    { "webmanifest", "application/manifest+json" },
    { "wasm", "application/wasm" },
    { "pdf", "application/pdf" },
    { "zip", "application/zip" },
    { "gz", "application/gzip" },
    { "svg", "image/svg+xml" },
    { "png", "image/png" },
    { "jpg", "image/jpeg" },
    { "jpeg", "image/jpeg" },
    { "gif", "image/gif" },
    { "webp", "image/webp" },
    { "avif", "image/avif" },
    { "ico", "image/x-icon" },
    { "woff", "font/woff" },
    { "woff2", "font/woff2" },
    { "ttf", "font/ttf" },
    { "otf", "font/otf" },
    { "mp3", "audio/mpeg" },
    { "m4a", "audio/mp4" },
    { "ogg", "audio/ogg" },
    { "wav", "audio/wav" },
    { "mp4", "video/mp4" },
    { "webm", "video/webm" },
};

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

const char *files_type(const char *path)
{
    const char *dot = strrchr(name_of(path), '.');
    for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(*types); i++)
        if (strcasecmp(dot + 1, types[i].ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

int files_check(const char *root, char *why, size_t size)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || faccessat(fd, ".", X_OK, AT_EACCESS) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        snprintf(why, size, "cannot serve files from \"%.100s\": %s; name a folder", root, duet_strerror(rc));
    return rc;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f';
}

/* Whether 8 or more hex digits stand between a '.', '-' or '_' and the ending: the name changes with the content. A
 * date or a word looks the same, so letters and digits must both be there. */
static bool has_hash(const char *path)
{
    const char *name = name_of(path), *dot = strrchr(name, '.');
    unsigned digits = 0, letters = 0;
    const char *at = dot;
    if (dot == NULL)
        return false;
    for (; at > name && (is_digit(at[-1]) || is_hex_letter(at[-1])); at--)
        if (is_digit(at[-1]))
            digits++;
        else
            letters++;
    bool parted = at > name && strchr(".-_", at[-1]) != NULL;
    return parted && digits > 0 && letters > 0 && digits + letters >= 8;
}

/* A segment that begins with a dot hides what is below it, but for the one that is made to be found (RFC 8615). */
static bool is_hidden(const char *path)
{
    for (const char *at = path; at != NULL; at = strchr(at + 1, '/')) {
        size_t len = strcspn(at + 1, "/");
        if (at[1] == '.' && !(len == 11 && memcmp(at + 1, ".well-known", len) == 0))
            return true;
    }
    return false;
}

static void sending_free(struct sending *s)
{
    if (s->fd >= 0)
        close(s->fd);
    duet_shared_unref(s->spare);
    duet_shared_unref(s->ready);
    duet_shared_unref(s->queued);
    mem_free(s);
}

static void over(void *source)
{
    struct sending *s = source;
    s->x = NULL;
    if (!s->working)
        sending_free(s);
}

/* On the loop, after the worker: false when nobody waits for it any more, and then it is gone. */
static bool came_back(struct sending *s, bool ran)
{
    s->working = false;
    if (s->x != NULL)
        return ran; /* else the server ends, and `over` is still to come */
    sending_free(s);
    return false;
}

static int hand_over(struct sending *s, duet_http *x, struct worker *w, void (*run)(struct work *),
                     void (*done)(struct work *, bool))
{
    s->work.run = run;
    s->work.done = done;
    s->working = true;
    int rc = worker_run(w, conn_host(x->conn)->loop, &s->work);
    if (rc < 0)
        s->working = false;
    return rc;
}

/* On the worker. */

/* Fills `s->spare` from `s->at` on. */
static int read_some(struct sending *s)
{
    duet_shared *block = s->spare;
    uint64_t left = s->end - s->at;
    size_t due = left < block->cap ? (size_t)left : block->cap;
    for (block->len = 0; block->len < due;) {
        ssize_t n = pread(s->fd, block->payload + block->len, due - block->len, (off_t)(s->at + block->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO; /* it is shorter than it was, and its length was promised */
        block->len += (size_t)n;
    }
    s->at += due;
    return 0;
}

static void read_block(struct work *work)
{
    struct sending *s = (struct sending *)work;
    s->error = read_some(s);
}

/* -EISDIR for a folder, -ENOENT for what is neither that nor a file. */
static int open_file(int root, const char *path, struct stat *st)
{
    int fd = beneath_open(root, path);
    if (fd < 0)
        return fd;
    int rc = fstat(fd, st) < 0 ? -errno : S_ISREG(st->st_mode) ? 0 : S_ISDIR(st->st_mode) ? -EISDIR : -ENOENT;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

/* Takes the most welcome of the neighbours that are there. */
static void choose_coding(struct sending *s, int root)
{
    unsigned best = 0;
    for (int i = 0; i < CODINGS; i++) {
        struct stat st;
        memcpy(s->path + s->path_len, codings[i].ending, ENDING);
        int fd = open_file(root, s->path, &st);
        s->path[s->path_len] = 0;
        s->varies |= fd >= 0;
        if (fd >= 0 && s->weights[i] > best) {
            best = s->weights[i];
            s->coding = i;
            s->st = st;
            close(s->fd);
            s->fd = fd;
        } else if (fd >= 0)
            close(fd);
    }
}

static int look_below(struct sending *s, int root)
{
    s->fd = open_file(root, s->path, &s->st);
    if (s->fd < 0)
        return s->fd;
    choose_coding(s, root);
    if (s->head_only || s->st.st_size > WHOLE_MOST)
        return 0;
    s->spare = shared_alloc((size_t)s->st.st_size);
    if (s->spare == NULL)
        return DUET_ERR_NOMEM;
    s->end = (uint64_t)s->st.st_size;
    int rc = read_some(s);
    s->ready = s->spare;
    s->spare = NULL;
    return rc;
}

static void look(struct work *work)
{
    struct sending *s = (struct sending *)work;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    s->now = now.tv_sec;
    int root = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        s->error = -errno;
        return;
    }
    s->error = look_below(s, root);
    close(root);
}

/* On the loop again. */

static void read_done(struct work *work, bool ran);

/* Brings the body on by what can be done now. `s` may be gone afterwards. */
static void pump(struct sending *s)
{
    duet_http *x = s->x;
    if (s->queued != NULL && shared_alone(s->queued)) {
        assert(s->spare == NULL);
        s->spare = s->queued;
        s->queued = NULL;
    }
    if (s->ready != NULL && s->queued == NULL) {
        s->queued = s->ready;
        s->ready = NULL;
        bool last = s->at == s->end;
        int rc = http_write_shared(x, s->queued);
        if (rc < 0)
            conn_kill(x->conn, rc);
        else if (last)
            http_end(x);
        if (rc < 0 || last)
            return;
    }
    if (s->ready != NULL || s->at == s->end)
        return;
    if (s->spare == NULL)
        s->spare = shared_alloc(BLOCK);
    int rc = s->spare != NULL ? hand_over(s, x, s->work.worker, read_block, read_done) : DUET_ERR_NOMEM;
    if (rc < 0)
        conn_kill(x->conn, rc);
}

static void read_done(struct work *work, bool ran)
{
    struct sending *s = (struct sending *)work;
    if (!came_back(s, ran))
        return;
    if (s->error < 0) {
        conn_kill(s->x->conn, s->error);
        return;
    }
    s->ready = s->spare;
    s->spare = NULL;
    pump(s);
}

static void more(duet_http *x, void *source)
{
    struct sending *s = source;
    (void)x;
    if (s->begun && !s->working)
        pump(s);
}

/* From what changes when the file does. Hashed, since nobody has to know the number of an inode. */
static void make_etag(const struct sending *s, char out[ETAG + 3])
{
    uint64_t what[] = {
        (uint64_t)s->st.st_dev,         (uint64_t)s->st.st_ino,          (uint64_t)s->st.st_size,
        (uint64_t)s->st.st_mtim.tv_sec, (uint64_t)s->st.st_mtim.tv_nsec, (uint64_t)s->coding,
    };
    uint8_t digest[20];
    digest_sha1(what, sizeof(what), digest);
    char *at = out;
    *at++ = '"';
    for (int i = 0; i < ETAG / 2; i++) {
        *at++ = "0123456789abcdef"[digest[i] >> 4];
        *at++ = "0123456789abcdef"[digest[i] & 15];
    }
    *at++ = '"';
    *at = 0;
}

static bool date_field(const struct duet_request *r, const char *name, int64_t *seconds)
{
    const char *value = duet_request_header(r, name);
    return value != NULL && http_date_parse(value, strlen(value), seconds);
}

/* Preconditions in the order of RFC 9110 13.2.2: 200 to go on, 304 or 412. */
static unsigned judge(const struct sending *s, const struct duet_request *r, const char *etag)
{
    int64_t when, changed = s->st.st_mtim.tv_sec;
    if (duet_request_header(r, "if-match") != NULL) {
        if (!http_etag_listed(r->head, r->data, "if-match", etag, HTTP_ETAG_STRONG))
            return 412;
    } else if (date_field(r, "if-unmodified-since", &when) && changed > when)
        return 412;
    if (duet_request_header(r, "if-none-match") != NULL)
        return http_etag_listed(r->head, r->data, "if-none-match", etag, HTTP_ETAG_WEAK) ? 304 : 200;
    return date_field(r, "if-modified-since", &when) && changed <= when ? 304 : 200;
}

/* If-Range (RFC 9110 13.1.5): a tag, or a date, which is strong only when the file could not change again in its
 * second. */
static bool range_is_due(const struct sending *s, const struct duet_request *r, const char *etag)
{
    int64_t when;
    const char *value = duet_request_header(r, "if-range");
    if (value == NULL)
        return true;
    if (*value == '"' || strncmp(value, "W/", 2) == 0)
        return strcmp(value, etag) == 0;
    return date_field(r, "if-range", &when) && when == s->st.st_mtim.tv_sec && when < s->now - 1;
}

/* 200, 206 with the bytes [*first, *last], or 416. */
static unsigned judge_range(const struct sending *s, const struct duet_request *r, const char *etag, uint64_t *first,
                            uint64_t *last)
{
    const char *value = duet_request_header(r, "range");
    /* Of GET only (RFC 9110 14.2). */
    if (value == NULL || s->head_only || http_head_count(r->head, r->data, "range") > 1 || !range_is_due(s, r, etag))
        return 200;
    uint64_t from, to;
    int rc = http_range_parse(value, strlen(value), (uint64_t)s->st.st_size, &from, &to);
    if (rc <= 0)
        return rc < 0 ? 416 : 200;
    *first = from;
    *last = to;
    return 206;
}

static void put_fields(struct buf *b, const struct sending *s, unsigned status, const char *etag)
{
    char date[HTTP_DATE_LEN + 1];
    http_date_format(s->st.st_mtim.tv_sec, date);
    reply_field(b, "ETag", etag);
    reply_field(b, "Last-Modified", date);
    reply_field(b, "Cache-Control", has_hash(s->path) ? "public, max-age=31536000, immutable" : "no-cache");
    if (s->varies)
        reply_field(b, "Vary", "Accept-Encoding");
    if (status == 304)
        return;
    reply_field(b, "Content-Type", files_type(s->path));
    reply_field(b, "X-Content-Type-Options", "nosniff");
    reply_field(b, "Accept-Ranges", "bytes");
    if (s->coding >= 0)
        reply_field(b, "Content-Encoding", codings[s->coding].name);
}

static void send_body(struct sending *s, uint64_t first, uint64_t last)
{
    duet_http *x = s->x;
    int rc = 0;
    if (!s->head_only && s->ready == NULL) {
        s->at = first;
        s->end = last + 1;
        s->begun = true;
        pump(s);
        return;
    }
    if (s->ready != NULL && last - first + 1 == s->ready->len)
        rc = s->ready->len > 0 ? http_write_shared(x, s->ready) : 0;
    else if (s->ready != NULL)
        rc = http_write(x, s->ready->payload + first, (size_t)(last - first + 1));
    if (rc < 0)
        conn_kill(x->conn, rc);
    else
        http_end(x);
}

/* The head, and the body or its beginning. 0, or an error before anything was said. */
static int send_file(struct sending *s)
{
    duet_http *x = s->x;
    uint64_t size = (uint64_t)s->st.st_size, first = 0, last = size - 1;
    char etag[ETAG + 3], start[512];
    make_etag(s, etag);
    unsigned status = judge(s, &x->request, etag);
    if (status == 412)
        return duet_http_text(x, 412, "This file is another one now.");
    if (status == 200)
        status = judge_range(s, &x->request, etag, &first, &last);
    struct buf own;
    buf_init(&own, start, sizeof(start));
    if (status == 416) {
        buf_printf(&own, "bytes */%llu%c", (unsigned long long)size, 0);
        duet_header headers[] = { { "Content-Range", own.at }, { "Content-Type", "text/plain; charset=utf-8" }, { 0 } };
        static const char line[] = "The file ends before this range.\n";
        int rc = duet_http_reply(x, 416, headers, line, sizeof(line) - 1);
        buf_fini(&own);
        return rc;
    }
    put_fields(&own, s, status, etag);
    if (status == 206)
        buf_printf(&own, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)first, (unsigned long long)last,
                   (unsigned long long)size);
    int rc = own.failed ? DUET_ERR_NOMEM : http_begin_length(x, status, NULL, &own, last - first + 1);
    buf_fini(&own);
    if (rc < 0)
        return rc;
    if (status == 304)
        http_end(x);
    else
        send_body(s, first, last);
    return 0;
}

/* The path as it was asked for, with a slash behind it. Encoded, so that no byte of a name ends the field or makes a
 * browser see another host (a backslash is a slash to it). */
static int redirect(duet_http *x)
{
    static const char plain[] = "/-._~!$&'()*+,;=:@";
    const struct duet_request *r = &x->request;
    char start[512];
    struct buf to;
    buf_init(&to, start, sizeof(start));
    for (const char *at = r->path; *at != 0; at++) {
        char c = (char)(*at | 0x20);
        if ((c >= 'a' && c <= 'z' && *at >= 'A') || is_digit(*at) || strchr(plain, *at) != NULL)
            buf_put(&to, at, 1);
        else
            buf_printf(&to, "%%%02X", (unsigned char)*at);
    }
    buf_printf(&to, "/%s%s%c", r->query != NULL ? "?" : "", r->query != NULL ? r->query : "", 0);
    duet_header headers[] = { { "Location", to.at }, { 0 } };
    int rc = to.failed ? DUET_ERR_NOMEM : duet_http_reply(x, 301, headers, NULL, 0);
    buf_fini(&to);
    return rc;
}

static int say_error(duet_http *x, int error)
{
    unsigned status = 500;
    enum duet_reason reason = DUET_REASON_other;
    const char *line = "This file cannot be read.";
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -EACCES:
    case -EXDEV:
    case -ELOOP:
    case -ENAMETOOLONG:
        status = 404;
        reason = DUET_REASON_not_found;
        line = "There is nothing here.";
        break;
    case -EMFILE:
    case -ENFILE:
        status = 503;
        reason = DUET_REASON_fds;
        line = "Too many files are open.";
        break;
    case -ENOMEM:
    case DUET_ERR_NOMEM:
    case DUET_ERR_LIMIT:
        status = 503;
        reason = DUET_REASON_no_memory;
        line = "Too much is asked for at once.";
        break;
    default:
        break;
    }
    report(loop_of(x->conn), x->conn, reason, (int)status, x->request.path, duet_strerror(error));
    return duet_http_text(x, status, line);
}

static void look_done(struct work *work, bool ran)
{
    struct sending *s = (struct sending *)work;
    if (!came_back(s, ran))
        return;
    duet_http *x = s->x;
    int rc = s->error == 0 ? send_file(s) : s->error == -EISDIR ? redirect(x) : say_error(x, s->error);
    if (rc < 0)
        conn_kill(x->conn, rc);
}

/* One for all loops, made when the first file is asked for. */
static int worker_of(duet_server *server, struct worker **out)
{
    struct worker *w = atomic_load(&server->worker), *made;
    if (w == NULL) {
        int rc = worker_new(&made, THREADS);
        if (rc < 0)
            return rc;
        if (atomic_compare_exchange_strong(&server->worker, &w, made))
            w = made;
        else
            worker_free(made); /* another loop was first */
    }
    *out = w;
    return 0;
}

static struct sending *sending_new(duet_http *x, const duet_request *r, const char *root, const char *path)
{
    size_t root_len = strlen(root), path_len = strlen(path);
    struct sending *s = mem_zalloc(sizeof(*s) + root_len + 1 + path_len + sizeof(index_name) + ENDING);
    if (s == NULL)
        return NULL;
    s->x = x;
    s->fd = s->coding = -1;
    s->head_only = r->head->method == HTTP_HEAD;
    s->root = s->text;
    s->path = s->text + root_len + 1;
    memcpy(s->root, root, root_len);
    memcpy(s->path, path + 1, path_len);
    if (path[path_len - 1] == '/')
        memcpy(s->path + path_len - 1, index_name, sizeof(index_name));
    s->path_len = strlen(s->path);
    for (int i = 0; i < CODINGS; i++)
        s->weights[i] = http_accept_encoding(r->head, r->data, codings[i].name);
    return s;
}

int files_answer(duet_http *x, const duet_request *r, const char *root, const char *path)
{
    static const duet_header allow[] = { { "Allow", "GET, HEAD" }, { "Content-Type", "text/plain" }, { 0 } };
    static const char sorry[] = "A file can only be read.\n";
    struct worker *w;
    assert(*path == '/');
    if (r->head->method != HTTP_GET && r->head->method != HTTP_HEAD)
        return duet_http_reply(x, 405, allow, sorry, sizeof(sorry) - 1);
    if (is_hidden(path))
        return say_error(x, -ENOENT);
    if (worker_of(loop_of(x->conn)->server, &w) < 0)
        return say_error(x, DUET_ERR_LIMIT);
    struct sending *s = sending_new(x, r, root, path);
    if (s == NULL)
        return DUET_ERR_NOMEM;
    int rc = hand_over(s, x, w, look, look_done);
    if (rc < 0) {
        sending_free(s);
        return say_error(x, rc);
    }
    http_set_source(x, more, over, s);
    return 0;
}
