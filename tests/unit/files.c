/* SPDX-License-Identifier: MIT */
/* Files as a client of the whole server gets them: a server on a thread, blocking sockets here. */
#include "test.h"
#include "base/mem.h"
#include "server/files.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BIG = 300000, HUGE = 32 * 1024 * 1024, WHOLE = 64 * 1024 };

struct site {
    char base[64], folder[96];
    int root;
    duet_server *server;
    pthread_t thread;
};

struct answer {
    int status;
    char head[4096];
    char *body;
    size_t len;
    bool whole; /* as many bytes as the head promised */
};

static void put(int at, const char *name, const void *data, size_t len)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static void put_text(int at, const char *name, const char *text)
{
    put(at, name, text, strlen(text));
}

/* So many bytes of which each tells where it is. */
static char byte_at(size_t i)
{
    return (char)(i ^ i >> 8 ^ i >> 16);
}

static void put_large(int at, const char *name, size_t len)
{
    char *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(i);
    put(at, name, data, len);
    free(data);
}

static void make_files(int base, int root)
{
    static const char *const folders[] = { "sub", "empty", ".git", ".well-known", "b\\s c" };
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        assert_int_equal(mkdirat(root, folders[i], 0755), 0);
    put_text(base, "secret", "secret");
    put_text(root, "index.html", "<p>index");
    put_text(root, "a.txt", "0123456789");
    put_text(root, "none.txt", "");
    put_text(root, "sub/index.html", "<p>sub");
    put_text(root, "sub/b.txt", "b");
    put_text(root, "sub/.env", "secret");
    put_text(root, ".hidden", "secret");
    put_text(root, "...", "secret");
    put_text(root, ".git/config", "secret");
    put_text(root, ".well-known/x", "known");
    put_text(root, ".well-known/.x", "secret");
    put_text(root, "app.js", "plain plain plain");
    put_text(root, "app.js.br", "br br");
    put_text(root, "app.js.gz", "gz gz gz");
    put_text(root, "only.css", "plain");
    put_text(root, "only.css.gz", "gz");
    put_text(root, "app-3f2a9b1c.js", "hashed");
    put_large(root, "big.bin", BIG);
    put_large(root, "whole-1", WHOLE - 1);
    put_large(root, "whole", WHOLE);
    put_large(root, "whole+1", WHOLE + 1);
    assert_int_equal(symlinkat("a.txt", root, "in.txt"), 0);
    assert_int_equal(symlinkat("../secret", root, "out"), 0);
    assert_int_equal(symlinkat("..", root, "up"), 0);
    assert_int_equal(symlinkat("/etc/passwd", root, "abs"), 0);
    assert_int_equal(symlinkat("/proc/self/root", root, "magic"), 0);
    assert_int_equal(symlinkat("loop", root, "loop"), 0);
    assert_int_equal(mkfifoat(root, "fifo", 0644), 0);
}

static void *serve(void *arg)
{
    duet_server_run(arg);
    return NULL;
}

static void site_start(struct site *s, unsigned threads, unsigned idle_ms)
{
    char why[200] = "";
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "http://127.0.0.1:0", .root = s->folder,
                                  .threads = threads, .idle_ms = idle_ms };
    if (duet_server_new(&s->server, &config, why) < 0)
        fail_msg("%s", why);
    pthread_create(&s->thread, NULL, serve, s->server);
}

static void site_stop(struct site *s)
{
    duet_server_stop(s->server);
    pthread_join(s->thread, NULL);
    duet_server_free(s->server);
}

static struct site site_make_for(unsigned threads, unsigned idle_ms)
{
    struct site s;
    snprintf(s.base, sizeof(s.base), "/tmp/duet-files-XXXXXX");
    assert_non_null(mkdtemp(s.base));
    snprintf(s.folder, sizeof(s.folder), "%s/root", s.base);
    int base = open(s.base, O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(base, "root", 0755), 0);
    s.root = openat(base, "root", O_RDONLY | O_DIRECTORY);
    make_files(base, s.root);
    close(base);
    site_start(&s, threads, idle_ms);
    return s;
}

static struct site site_make(unsigned threads)
{
    return site_make_for(threads, 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void site_remove(struct site *s)
{
    close(s->root);
    nftw(s->base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void site_free(struct site *s)
{
    site_stop(s);
    site_remove(s);
}

/* With `window` > 0 little fits in between, so that the server must wait for the reader. */
static int dial(const struct site *s, int window)
{
    struct timeval patience = { .tv_sec = 30 };
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)duet_server_port(s->server, 0)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (window > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void ask(int fd, const char *method, const char *target, const char *fields)
{
    char request[4096];
    int n = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, target, fields);
    assert_true(n > 0 && (size_t)n < sizeof(request));
    assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
}

/* The value of a field, in memory that the next call uses again; NULL: it is not there. */
static const char *field(const struct answer *a, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);
    for (const char *at = strstr(a->head, "\r\n"); at != NULL; at = strstr(at + 2, "\r\n"))
        if (strncasecmp(at + 2, name, len) == 0 && strncmp(at + 2 + len, ": ", 2) == 0) {
            at += len + 4;
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
            return value;
        }
    return NULL;
}

static void expect_field(const struct answer *a, const char *name, const char *due)
{
    const char *value = field(a, name);
    if ((value == NULL) != (due == NULL) || (due != NULL && strcmp(value, due) != 0))
        fail_msg("%s: %s, not %s, in:\n%s", name, value ? value : "(none)", due ? due : "(none)", a->head);
}

static bool has_body(const struct answer *a, const char *method)
{
    return strcmp(method, "HEAD") != 0 && a->status != 204 && a->status != 304;
}

/* One answer, and not a byte more of what comes. */
static struct answer take(int fd, const char *method)
{
    struct answer a = { 0 };
    size_t n = 0;
    while (n < 4 || memcmp(a.head + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n < sizeof(a.head) - 1);
        if (recv(fd, a.head + n, 1, 0) != 1)
            return a;
        n++;
    }
    a.status = atoi(a.head + strlen("HTTP/1.1 "));
    const char *length = field(&a, "Content-Length");
    size_t due = has_body(&a, method) && length != NULL ? strtoul(length, NULL, 10) : 0;
    a.body = malloc(due + 1);
    while (a.len < due) {
        ssize_t got = recv(fd, a.body + a.len, due - a.len, 0);
        if (got <= 0)
            break;
        a.len += (size_t)got;
    }
    a.body[a.len] = 0;
    a.whole = a.len == due;
    return a;
}

static struct answer get(const struct site *s, const char *method, const char *target, const char *fields)
{
    int fd = dial(s, 0);
    ask(fd, method, target, fields);
    struct answer a = take(fd, method);
    close(fd);
    return a;
}

static void expect_bytes(const struct answer *a, size_t first, size_t len)
{
    assert_int_equal(a->len, len);
    for (size_t i = 0; i < len; i++)
        if (a->body[i] != byte_at(first + i))
            fail_msg("byte %zu of %zu is another", i, len);
}

TEST(files, have_all_their_fields)
{
    struct site s = site_make(1);
    struct answer a = get(&s, "GET", "/a.txt", "");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "0123456789");
    expect_field(&a, "Content-Length", "10");
    expect_field(&a, "Content-Type", "text/plain; charset=utf-8");
    expect_field(&a, "X-Content-Type-Options", "nosniff");
    expect_field(&a, "Accept-Ranges", "bytes");
    expect_field(&a, "Cache-Control", "no-cache");
    expect_field(&a, "Content-Encoding", NULL);
    expect_field(&a, "Content-Range", NULL);
    expect_field(&a, "Vary", NULL);
    assert_int_equal(strlen(field(&a, "ETag")), 26);
    assert_non_null(field(&a, "Date"));
    assert_int_equal(strlen(field(&a, "Last-Modified")), 29);
    free(a.body);
    a = get(&s, "GET", "/app-3f2a9b1c.js", "");
    expect_field(&a, "Cache-Control", "public, max-age=31536000, immutable");
    free(a.body);
    site_free(&s);
}

TEST(files, answer_head_as_get_without_a_body)
{
    static const char *const targets[] = { "/a.txt", "/none.txt", "/big.bin", "/sub/", "/nothing", "/sub" };
    struct site s = site_make(1);
    int fd = dial(&s, 0);
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        /* Both on one connection: a byte of a body would be taken for the next answer. */
        ask(fd, "HEAD", targets[i], "Range: bytes=0-1\r\n");
        struct answer head = take(fd, "HEAD");
        ask(fd, "GET", targets[i], "");
        struct answer whole = take(fd, "GET");
        assert_int_equal(head.status, whole.status);
        expect_field(&head, "Content-Length", field(&whole, "Content-Length"));
        assert_true(whole.whole);
        char etag[64];
        snprintf(etag, sizeof(etag), "%s", field(&whole, "ETag") ? field(&whole, "ETag") : "");
        expect_field(&head, "ETag", etag[0] ? etag : NULL);
        free(head.body);
        free(whole.body);
    }
    close(fd);
    site_free(&s);
}

TEST(files, are_only_read)
{
    static const char *const methods[] = { "POST", "PUT", "DELETE", "PATCH", "OPTIONS" };
    struct site s = site_make(1);
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        struct answer a = get(&s, methods[i], "/a.txt", "Origin: http://x\r\n");
        assert_int_equal(a.status, 405);
        expect_field(&a, "Allow", "GET, HEAD");
        free(a.body);
    }
    site_free(&s);
}

TEST(files, come_whole_at_every_size_between_the_two_ways)
{
    static const struct {
        const char *target;
        size_t len;
    } rows[] = { { "/none.txt", 0 },
                 { "/whole-1", WHOLE - 1 },
                 { "/whole", WHOLE },
                 { "/whole+1", WHOLE + 1 },
                 { "/big.bin", BIG } };
    struct site s = site_make(1);
    int fd = dial(&s, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ask(fd, "GET", rows[i].target, "");
        struct answer a = take(fd, "GET");
        assert_int_equal(a.status, 200);
        expect_bytes(&a, 0, rows[i].len);
        free(a.body);
    }
    close(fd);
    site_free(&s);
}

static const struct {
    const char *target, *range;
    int status;
    size_t first, len;
    const char *said;
} ranges[] = {
    { "/whole", "bytes=0-0", 206, 0, 1, "bytes 0-0/65536" },
    { "/whole", "bytes=10-19", 206, 10, 10, "bytes 10-19/65536" },
    { "/whole", "bytes=65535-", 206, 65535, 1, "bytes 65535-65535/65536" },
    { "/whole", "bytes=65530-99999", 206, 65530, 6, "bytes 65530-65535/65536" },
    { "/whole", "bytes=-4", 206, 65532, 4, "bytes 65532-65535/65536" },
    { "/whole", "bytes=-99999", 206, 0, 65536, "bytes 0-65535/65536" },
    { "/whole", "bytes=65536-", 416, 0, 0, "bytes */65536" },
    { "/whole", "bytes=-0", 416, 0, 0, "bytes */65536" },
    { "/none.txt", "bytes=0-", 416, 0, 0, "bytes */0" },
    { "/whole", "bytes=5-4", 200, 0, 65536, NULL },
    { "/whole", "bytes=0-1,4-5", 200, 0, 65536, NULL },
    { "/whole", "lines=0-1", 200, 0, 65536, NULL },
    { "/whole", "bytes", 200, 0, 65536, NULL },
    { "/big.bin", "bytes=0-", 206, 0, BIG, "bytes 0-299999/300000" },
    { "/big.bin", "bytes=131071-131072", 206, 131071, 2, "bytes 131071-131072/300000" },
    { "/big.bin", "bytes=1-131072", 206, 1, 131072, "bytes 1-131072/300000" },
    { "/big.bin", "bytes=1-131073", 206, 1, 131073, "bytes 1-131073/300000" },
    { "/big.bin", "bytes=-1", 206, 299999, 1, "bytes 299999-299999/300000" },
    { "/big.bin", "bytes=300000-", 416, 0, 0, "bytes */300000" },
};

TEST(files, give_one_range)
{
    struct site s = site_make(1);
    int fd = dial(&s, 0);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        char fields[100];
        snprintf(fields, sizeof(fields), "Range: %s\r\n", ranges[i].range);
        ask(fd, "GET", ranges[i].target, fields);
        struct answer a = take(fd, "GET");
        if (a.status != ranges[i].status)
            fail_msg("%s %s: %d", ranges[i].target, ranges[i].range, a.status);
        expect_field(&a, "Content-Range", ranges[i].said);
        if (a.status != 416)
            expect_bytes(&a, ranges[i].first, ranges[i].len);
        free(a.body);
    }
    close(fd);
    site_free(&s);
}

/* %s stands for the file's tag, %d for its date, %e for a date a day earlier. */
static const struct {
    const char *fields;
    int status;
} conditions[] = {
    { "If-None-Match: %s", 304 },
    { "If-None-Match: W/%s", 304 },
    { "If-None-Match: \"other\", %s", 304 },
    { "If-None-Match: *", 304 },
    { "If-None-Match: \"other\"", 200 },
    { "If-None-Match: \"other\"\r\nIf-Modified-Since: %d", 200 },
    { "If-Modified-Since: %d", 304 },
    { "If-Modified-Since: %e", 200 },
    { "If-Modified-Since: yesterday", 200 },
    { "If-Match: %s", 200 },
    { "If-Match: *", 200 },
    { "If-Match: W/%s", 412 },
    { "If-Match: \"other\"", 412 },
    { "If-Match: %s\r\nIf-Unmodified-Since: %e", 200 },
    { "If-Unmodified-Since: %d", 200 },
    { "If-Unmodified-Since: %e", 412 },
    { "If-Match: %s\r\nIf-None-Match: %s", 304 },
    { "Range: bytes=1-2\r\nIf-None-Match: %s", 304 },
    { "Range: bytes=1-2\r\nIf-Match: \"other\"", 412 },
    { "Range: bytes=1-2\r\nIf-Range: %s", 206 },
    { "Range: bytes=1-2\r\nIf-Range: \"other\"", 200 },
    { "Range: bytes=1-2\r\nIf-Range: W/%s", 200 },
    { "Range: bytes=1-2\r\nIf-Range: %d", 206 },
    { "Range: bytes=1-2\r\nIf-Range: %e", 200 },
    { "Range: bytes=1-2\r\nRange: bytes=3-4", 200 },
    { "Range: bytes=99-\r\nIf-Range: \"other\"", 200 },
};

static void fill(char out[512], const char *pattern, const char *etag, const char *date, const char *earlier)
{
    size_t n = 0;
    for (const char *at = pattern; *at != 0; at++) {
        const char *put_in = *at != '%' ? NULL : at[1] == 's' ? etag : at[1] == 'd' ? date : earlier;
        n += (size_t)(put_in ? snprintf(out + n, 512 - n, "%s", put_in) : snprintf(out + n, 512 - n, "%c", *at));
        at += put_in != NULL;
    }
    snprintf(out + n, 512 - n, "\r\n");
}

TEST(files, judge_conditions_in_their_order)
{
    struct site s = site_make(1);
    static const struct timespec times[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000, .tv_nsec = 5 } };
    assert_int_equal(utimensat(s.root, "a.txt", times, 0), 0);
    struct answer a = get(&s, "GET", "/a.txt", "");
    char etag[64], fields[512];
    snprintf(etag, sizeof(etag), "%s", field(&a, "ETag"));
    free(a.body);
    for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
        fill(fields, conditions[i].fields, etag, "Tue, 14 Nov 2023 22:13:20 GMT", "Mon, 13 Nov 2023 22:13:20 GMT");
        int fd = dial(&s, 0);
        ask(fd, "GET", "/a.txt", fields);
        a = take(fd, "GET");
        if (a.status != conditions[i].status)
            fail_msg("%s: %d, not %d", fields, a.status, conditions[i].status);
        if (a.status == 304) {
            expect_field(&a, "ETag", etag);
            expect_field(&a, "Cache-Control", "no-cache");
            expect_field(&a, "Content-Type", NULL);
        }
        free(a.body);
        /* Nothing followed the answer that the next would be taken for. */
        ask(fd, "GET", "/a.txt", "");
        a = take(fd, "GET");
        assert_int_equal(a.status, 200);
        free(a.body);
        close(fd);
    }
    site_free(&s);
}

/* A date is no strong validator for who may change the file again within its second. */
TEST(files, do_not_trust_the_date_of_this_second_for_a_range)
{
    struct site s = site_make(1);
    assert_int_equal(utimensat(s.root, "a.txt", NULL, 0), 0);
    struct answer a = get(&s, "GET", "/a.txt", "");
    char fields[200];
    snprintf(fields, sizeof(fields), "Range: bytes=1-2\r\nIf-Range: %s\r\n", field(&a, "Last-Modified"));
    free(a.body);
    a = get(&s, "GET", "/a.txt", fields);
    assert_int_equal(a.status, 200);
    free(a.body);
    site_free(&s);
}

TEST(files, have_another_tag_after_each_change)
{
    struct site s = site_make(1);
    char before[64];
    struct answer a = get(&s, "GET", "/a.txt", "");
    snprintf(before, sizeof(before), "%s", field(&a, "ETag"));
    free(a.body);
    for (int i = 0; i < 3; i++) {
        struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 1700000000, .tv_nsec = i } };
        if (i == 2)
            put_text(s.root, "a.txt", "another text");
        assert_int_equal(utimensat(s.root, "a.txt", times, 0), 0);
        a = get(&s, "GET", "/a.txt", "");
        assert_string_not_equal(field(&a, "ETag"), before);
        snprintf(before, sizeof(before), "%s", field(&a, "ETag"));
        free(a.body);
    }
    site_free(&s);
}

static const struct {
    const char *target, *accept, *coding, *body, *vary;
} codings_due[] = {
    { "/app.js", NULL, NULL, "plain plain plain", "Accept-Encoding" },
    { "/app.js", "gzip, deflate, br", "br", "br br", "Accept-Encoding" },
    { "/app.js", "gzip", "gzip", "gz gz gz", "Accept-Encoding" },
    { "/app.js", "br;q=0.5, gzip;q=0.8", "gzip", "gz gz gz", "Accept-Encoding" },
    { "/app.js", "br;q=0, gzip;q=0", NULL, "plain plain plain", "Accept-Encoding" },
    { "/app.js", "identity", NULL, "plain plain plain", "Accept-Encoding" },
    { "/app.js", "*", "br", "br br", "Accept-Encoding" },
    { "/app.js", "zstd, nothing", NULL, "plain plain plain", "Accept-Encoding" },
    { "/only.css", "br, gzip", "gzip", "gz", "Accept-Encoding" },
    { "/only.css", "br", NULL, "plain", "Accept-Encoding" },
    { "/a.txt", "br, gzip", NULL, "0123456789", NULL },
    { "/app.js.br", "br", NULL, "br br", NULL },
};

TEST(files, come_in_the_coding_that_is_welcome)
{
    struct site s = site_make(1);
    char tags[3][64];
    for (size_t i = 0; i < sizeof(codings_due) / sizeof(*codings_due); i++) {
        char fields[100] = "";
        if (codings_due[i].accept != NULL)
            snprintf(fields, sizeof(fields), "Accept-Encoding: %s\r\n", codings_due[i].accept);
        struct answer a = get(&s, "GET", codings_due[i].target, fields);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, codings_due[i].body);
        expect_field(&a, "Content-Encoding", codings_due[i].coding);
        expect_field(&a, "Vary", codings_due[i].vary);
        if (strcmp(codings_due[i].target, "/app.js") == 0)
            expect_field(&a, "Content-Type", "text/javascript; charset=utf-8");
        if (i < 3)
            snprintf(tags[i], sizeof(tags[i]), "%s", field(&a, "ETag"));
        free(a.body);
    }
    assert_string_not_equal(tags[0], tags[1]);
    assert_string_not_equal(tags[0], tags[2]);
    assert_string_not_equal(tags[1], tags[2]);
    struct answer a = get(&s, "GET", "/app.js", "Accept-Encoding: br\r\nRange: bytes=1-3\r\n");
    assert_int_equal(a.status, 206);
    assert_string_equal(a.body, "r b");
    free(a.body);
    site_free(&s);
}

static const struct {
    const char *target;
    int status;
} targets[] = {
    { "/", 200 },
    { "//", 200 },
    { "/./", 200 },
    { "/.", 200 },
    { "/..", 200 },
    { "/../", 200 },
    { "/%2e", 200 },
    { "/%2e%2e/", 200 },
    { "/a.txt", 200 },
    { "//a.txt", 200 },
    { "///a.txt", 200 },
    { "/%61.txt", 200 },
    { "/a%2etxt", 200 },
    { "/%2f%2fa.txt", 200 },
    { "/../a.txt", 200 },
    { "/../../../a.txt", 200 },
    { "/sub/b.txt", 200 },
    { "/sub//b.txt", 200 },
    { "/sub/./b.txt", 200 },
    { "/sub/../a.txt", 200 },
    { "/sub/%2e%2e/a.txt", 200 },
    { "/sub/%2e%2e%2fa.txt", 200 },
    { "/a.txt/..", 200 },
    { "/a.txt?../../secret", 200 },
    { "/a.txt?%00", 200 },
    { "/in.txt", 200 },
    { "/.well-known/x", 200 },
    { "http://x", 200 },
    { "http://x/a.txt", 200 },
    { "/sub", 301 },
    { "/sub?x=1", 301 },
    { "/sub/..%2fsub", 301 },
    { "/empty", 301 },
    { "/empty/", 404 },
    { "/secret", 404 },
    { "/../secret", 404 },
    { "/../../secret", 404 },
    { "/../../../../../../../../etc/passwd", 404 },
    { "/etc/passwd", 404 },
    { "/proc/self/environ", 404 },
    { "/%2e%2e/secret", 404 },
    { "/%2E%2E/secret", 404 },
    { "/.%2e/secret", 404 },
    { "/%2e./secret", 404 },
    { "/%2e%2e%2fsecret", 404 },
    { "/..%2fsecret", 404 },
    { "/..%2f..%2fsecret", 404 },
    { "/%252e%252e/secret", 404 },
    { "/%252e%252e%252fsecret", 404 },
    { "/..%5csecret", 404 },
    { "/..\\secret", 404 },
    { "/\\..\\secret", 404 },
    { "/%5c..%5csecret", 404 },
    { "/sub/../../secret", 404 },
    { "/sub/..%2f..%2fsecret", 404 },
    { "/sub/%2e%2e%5c..%5csecret", 404 },
    { "/sub/../../root/a.txt", 404 },
    { "/a.txt/../secret", 404 },
    { "/a.txt/", 404 },
    { "/a.txt/b", 404 },
    { "/index.html/../../secret", 404 },
    { "/cgi-bin/../../../../etc/passwd", 404 },
    { "/....//secret", 404 },
    { "/..;/secret", 404 },
    { "/%c0%ae%c0%ae/secret", 404 },
    { "/%ef%bc%8e%ef%bc%8e/secret", 404 },
    { "//evil.example/", 404 },
    { "//evil.example/../secret", 404 },
    { "http://x/../secret", 404 },
    { "http://x/%2e%2e/secret", 404 },
    { "/out", 404 },
    { "/up/secret", 404 },
    { "/up", 404 },
    { "/up/", 404 },
    { "/abs", 404 },
    { "/magic/etc/passwd", 404 },
    { "/loop", 404 },
    { "/fifo", 404 },
    { "/.hidden", 404 },
    { "/%2ehidden", 404 },
    { "/...", 404 },
    { "/.git/config", 404 },
    { "/sub/.env", 404 },
    { "/sub/%2eenv", 404 },
    { "/.well-known/.x", 404 },
    { "/.well-knownx", 404 },
    { "/A.TXT", 404 },
    { "/a.txt.", 404 },
    { "/a.txt%20", 404 },
    { "/a.txt;x", 404 },
    { "/a.txt%0d%0aX:%20y", 404 },
    { "/~root", 404 },
    { "/nothing", 404 },
    { "/%", 400 },
    { "/%2", 400 },
    { "/%zz", 400 },
    { "/%2g", 400 },
    { "/%u002e%u002e/secret", 400 },
    { "/%00", 400 },
    { "/a.txt%00", 400 },
    { "/a.txt%00.html", 400 },
    { "/.%00./secret", 400 },
    { "/\x80", 400 },
    { "/\xc0\xae\xc0\xae/secret", 400 },
    { "/\xff", 400 },
    { "/a.txt\x7f", 400 },
    { "/a.txt#x", 400 },
    { "a.txt", 400 },
    { "../secret", 400 },
    { "*", 400 },
};

/* Valgrind and some sandboxes do not: then no link is followed at all. */
static bool knows_openat2(void)
{
    return syscall(SYS_openat2, -1, NULL, NULL, 0) == -1 && errno != ENOSYS && errno != EPERM;
}

TEST(files, http_15_never_above_the_root)
{
    _Static_assert(sizeof(targets) / sizeof(*targets) >= 80, "as many as lws attack.sh has");
    struct site s = site_make(1);
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        if (strcmp(targets[i].target, "/in.txt") == 0 && !knows_openat2())
            continue;
        struct answer a = get(&s, "GET", targets[i].target, "");
        if (a.status != targets[i].status || strstr(a.body, "secret") != NULL || strstr(a.body, "root:") != NULL)
            fail_msg("%s: %d, not %d: %s", targets[i].target, a.status, targets[i].status, a.body);
        free(a.body);
    }
    char longest[600] = "/";
    for (int len = 254; len <= 256; len++) {
        memset(longest + 1, 'n', (size_t)len);
        struct answer a = get(&s, "GET", longest, "");
        assert_int_equal(a.status, 404);
        free(a.body);
    }
    site_free(&s);
}

TEST(files, send_who_asks_for_a_folder_to_its_slash)
{
    static const struct {
        const char *target, *location;
    } rows[] = {
        { "/sub", "/sub/" },
        { "//sub", "/sub/" },
        { "/sub?a=b/c", "/sub/?a=b/c" },
        { "/b%5cs%20c", "/b%5Cs%20c/" },
    };
    struct site s = site_make(1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct answer a = get(&s, "GET", rows[i].target, "");
        assert_int_equal(a.status, 301);
        expect_field(&a, "Location", rows[i].location);
        free(a.body);
    }
    struct answer a = get(&s, "GET", "/sub/", "");
    assert_string_equal(a.body, "<p>sub");
    expect_field(&a, "Content-Type", "text/html; charset=utf-8");
    free(a.body);
    site_free(&s);
}

TEST(files, answer_pipelined_requests_in_order)
{
    static const struct {
        const char *target;
        size_t len;
    } rows[] = { { "/a.txt", 10 }, { "/big.bin", BIG }, { "/none.txt", 0 }, { "/whole", WHOLE } };
    enum { ROUNDS = 12 };
    struct site s = site_make(1);
    int fd = dial(&s, 0);
    for (size_t i = 0; i < ROUNDS * 4; i++)
        ask(fd, "GET", rows[i % 4].target, "");
    for (size_t i = 0; i < ROUNDS * 4; i++) {
        struct answer a = take(fd, "GET");
        assert_int_equal(a.status, 200);
        assert_int_equal(a.len, rows[i % 4].len);
        free(a.body);
    }
    close(fd);
    site_free(&s);
}

TEST(files, end_the_connection_when_they_shrink_meanwhile)
{
    struct site s = site_make(1);
    put_text(s.root, "huge", "");
    int file = openat(s.root, "huge", O_WRONLY);
    assert_int_equal(ftruncate(file, HUGE), 0);
    int fd = dial(&s, 4096);
    ask(fd, "GET", "/huge", "");
    char first[16];
    assert_int_equal(recv(fd, first, sizeof(first), MSG_WAITALL), sizeof(first));
    assert_memory_equal(first, "HTTP/1.1 200 OK\r", sizeof(first));
    assert_int_equal(ftruncate(file, 1000), 0);
    close(file);
    size_t total = 0;
    static char rest[65536];
    for (ssize_t n; (n = recv(fd, rest, sizeof(rest), 0)) > 0;)
        total += (size_t)n;
    assert_true(total < HUGE); /* and it ended: no time passed in vain */
    close(fd);
    struct answer a = get(&s, "GET", "/a.txt", "");
    assert_int_equal(a.status, 200);
    free(a.body);
    site_free(&s);
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

TEST(files, survive_readers_who_leave)
{
    struct site s = site_make(2);
    int file = openat(s.root, "huge", O_WRONLY | O_CREAT, 0644);
    assert_int_equal(ftruncate(file, HUGE), 0);
    close(file);
    struct answer a = get(&s, "GET", "/a.txt", ""); /* now the workers are there */
    free(a.body);
    usleep(50000);
    int before = count_descriptors();
    for (int i = 0; i < 200; i++) {
        int fd = dial(&s, i % 2 ? 4096 : 0);
        ask(fd, "GET", i % 3 ? "/huge" : "/whole", "");
        char some[1000];
        if (i % 4)
            recv(fd, some, (size_t)i, 0);
        if (i % 5 == 0) { /* a reset, not an end */
            struct linger now = { 1, 0 };
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        }
        close(fd);
    }
    for (int i = 0; i < 300 && count_descriptors() > before; i++)
        usleep(20000);
    assert_int_equal(count_descriptors(), before);
    a = get(&s, "GET", "/a.txt", "");
    assert_int_equal(a.status, 200);
    free(a.body);
    site_free(&s);
}

static int ask_huge(const struct site *s, int window)
{
    int file = openat(s->root, "huge", O_WRONLY | O_CREAT, 0644);
    assert_int_equal(ftruncate(file, HUGE), 0);
    close(file);
    int fd = dial(s, window);
    ask(fd, "GET", "/huge", "");
    return fd;
}

TEST(files, are_given_up_for_a_reader_who_stands_still)
{
    struct site s = site_make_for(1, 300);
    int fd = ask_huge(&s, 4096);
    duet_server_stats stats = { .accepted = 0 };
    while (stats.accepted == 0 || stats.connections > 0) { /* without a byte being read */
        poll(NULL, 0, 10);
        duet_server_read_stats(s.server, &stats);
    }
    struct answer a = take(fd, "GET");
    assert_int_equal(a.status, 200);
    assert_false(a.whole);
    free(a.body);
    close(fd);
    site_free(&s);
}

TEST(files, wait_for_a_reader_who_is_slow)
{
    struct site s = site_make_for(1, 2500); /* the whole takes longer */
    int fd = ask_huge(&s, 65536);
    char some[65536];
    size_t n = 0;
    for (int i = 0; i < 100; i++) {
        usleep(30000);
        ssize_t got = recv(fd, some, sizeof(some), 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    for (ssize_t got; n < HUGE && (got = recv(fd, some, sizeof(some), 0)) > 0;)
        n += (size_t)got;
    assert_true(n >= HUGE);
    close(fd);
    site_free(&s);
}

TEST(files, are_given_up_when_the_server_ends)
{
    for (int round = 0; round < 5; round++) {
        struct site s = site_make(2);
        int fds[20];
        for (int i = 0; i < 20; i++) {
            fds[i] = dial(&s, 4096);
            ask(fds[i], "GET", "/big.bin", "");
        }
        char some[100];
        for (int i = 0; i < round; i++)
            recv(fds[i], some, sizeof(some), 0);
        site_free(&s);
        for (int i = 0; i < 20; i++)
            close(fds[i]);
    }
}

TEST(files, serve_many_at_once)
{
    enum { MANY = 200 };
    struct site s = site_make(2);
    int fds[MANY];
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(&s, 0);
        ask(fds[i], "GET", i % 10 ? "/whole-1" : "/big.bin", "");
    }
    for (int i = 0; i < MANY; i++) {
        struct answer a = take(fds[i], "GET");
        assert_int_equal(a.status, 200);
        expect_bytes(&a, 0, i % 10 ? WHOLE - 1 : BIG);
        free(a.body);
        close(fds[i]);
    }
    site_free(&s);
}

/* One request on a loop of our own. Returns how many bytes came until the answer, or the connection, was over; -1 when
 * neither happened. */
static long fetch(const struct site *s, duet_loop *l, const char *target)
{
    char some[65536];
    long total = 0;
    int fd = dial(s, 0);
    ask(fd, "GET", target, "Connection: close\r\n");
    for (int turns = 0; turns < 2000; turns++) {
        duet_loop_turn(l, 5);
        ssize_t n = recv(fd, some, sizeof(some), MSG_DONTWAIT);
        if (n > 0)
            total += n;
        else if (n == 0 || errno != EAGAIN) {
            close(fd);
            return total;
        }
    }
    close(fd);
    return -1;
}

TEST(files, every_allocation_may_fail)
{
    static const char *const asked[] = { "/a.txt", "/big.bin", "/sub", "/nothing" };
    struct site s = site_make(1);
    site_stop(&s);
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "http://127.0.0.1:0", .root = s.folder };
    duet_loop *l;
    assert_int_equal(duet_loop_new(&l), 0);
    assert_int_equal(duet_server_new(&s.server, &config, NULL), 0);
    assert_int_equal(duet_server_attach(s.server, l), 0);
    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
        long whole = fetch(&s, l, asked[i]);
        assert_true(whole > 100);
        for (int for_ever = 0; for_ever < 2; for_ever++)
            for (unsigned long n = 0, count = 1; n < count; n++) {
                mem_fail(n, for_ever);
                long got = fetch(&s, l, asked[i]);
                count = mem_fail_end();
                assert_true(got >= 0);
                assert_int_equal(fetch(&s, l, asked[i]), whole);
            }
    }
    duet_server_free(s.server);
    duet_loop_free(l);
    site_remove(&s);
}

TEST(files, of_a_route_stand_below_its_path)
{
    static const struct {
        const char *target;
        int status;
    } rows[] = {
        { "/files/a.txt", 200 },   { "/files/", 200 },          { "/files/sub", 301 },
        { "/files/sub/", 200 },    { "/files/../secret", 404 }, { "/files/..%2fa.txt", 404 },
        { "/files/.hidden", 404 }, { "/a.txt", 404 },           { "/files/up/secret", 404 },
        { "/one", 404 },
    };
    struct site s = site_make(1);
    site_stop(&s);
    duet_route routes[] = { { .path = "/files/", .root = s.folder }, { NULL } };
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "http://127.0.0.1:0", .routes = routes };
    assert_int_equal(duet_server_new(&s.server, &config, NULL), 0);
    pthread_create(&s.thread, NULL, serve, s.server);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct answer a = get(&s, "GET", rows[i].target, "");
        if (a.status != rows[i].status)
            fail_msg("%s: %d, not %d", rows[i].target, a.status, rows[i].status);
        if (a.status == 301)
            expect_field(&a, "Location", "/files/sub/");
        free(a.body);
    }
    site_free(&s);
}

TEST(files, need_a_folder_from_the_start)
{
    static const struct {
        const char *root;
        int rc;
        const char *why;
    } rows[] = {
        { "/nonexistent", -ENOENT,
          "cannot serve files from \"/nonexistent\": No such file or directory; name a folder" },
        { "/etc/passwd", -ENOTDIR, "cannot serve files from \"/etc/passwd\": Not a directory; name a folder" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        duet_route routes[] = { { .path = "/files/", .root = rows[i].root }, { NULL } };
        duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "http://127.0.0.1:0", .root = rows[i].root };
        duet_server *server;
        char why[200] = "";
        assert_int_equal(duet_server_new(&server, &config, why), rows[i].rc);
        assert_string_equal(why, rows[i].why);
        why[0] = 0;
        config.root = NULL;
        config.routes = routes;
        assert_int_equal(duet_server_new(&server, &config, why), rows[i].rc);
        assert_string_equal(why, rows[i].why);
    }
}

TEST(files, know_media_types_by_their_ending)
{
    assert_string_equal(files_type("/a/b.html"), "text/html; charset=utf-8");
    assert_string_equal(files_type("/B.SVG"), "image/svg+xml");
    assert_string_equal(files_type("/x.tar.gz"), "application/gzip");
    assert_string_equal(files_type("/x.js/y"), "application/octet-stream");
    assert_string_equal(files_type("/x."), "application/octet-stream");
    assert_string_equal(files_type("/html"), "application/octet-stream");
    assert_string_equal(files_type("/x.wasm"), "application/wasm");
    assert_string_equal(files_type("/x.woff"), "font/woff");
    assert_string_equal(files_type("/x.woff2"), "font/woff2");
}

TEST(files, may_be_kept_for_ever_only_with_a_hash_in_their_name)
{
    static const struct {
        const char *target;
        bool immutable;
    } rows[] = {
        { "app.3f2a9b1c.js", true },  { "app-3F2A9B1Cdeadbeef.css", true },
        { "app_0123456a.png", true }, { "app.3f2a9b1.js", false },
        { "3f2a9b1c.js", false },     { "report-20241124.html", false },
        { "a.defacade.js", false },   { "appx3f2a9b1c.js", false },
        { "app-3f2a9b1c", false },    { "app-3f2a9b1c.d/x.js", false },
    };
    struct site s = site_make(1);
    assert_int_equal(mkdirat(s.root, "app-3f2a9b1c.d", 0755), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char target[64];
        put_text(s.root, rows[i].target, "x");
        snprintf(target, sizeof(target), "/%s", rows[i].target);
        struct answer a = get(&s, "GET", target, "");
        assert_int_equal(a.status, 200);
        expect_field(&a, "Cache-Control", rows[i].immutable ? "public, max-age=31536000, immutable" : "no-cache");
        free(a.body);
    }
    site_free(&s);
}
