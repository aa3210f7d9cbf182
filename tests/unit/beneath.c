/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "net/beneath.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* BASE/out is above the root, BASE/root holds the rest. */
struct site {
    char base[64];
    int root;
};

static void put(int at, const char *name, const char *text)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static struct site site_make(void)
{
    struct site s;
    snprintf(s.base, sizeof(s.base), "/tmp/duet-beneath-XXXXXX");
    assert_non_null(mkdtemp(s.base));
    int base = open(s.base, O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(base, "root", 0755), 0);
    s.root = openat(base, "root", O_PATH | O_DIRECTORY);
    put(base, "out", "out");
    assert_int_equal(mkdirat(s.root, "a", 0755), 0);
    assert_int_equal(mkdirat(s.root, "a/b", 0755), 0);
    put(s.root, "f", "f");
    put(s.root, "a/b/c", "c");
    put(s.root, "...", "dots");
    assert_int_equal(symlinkat("a/b/c", s.root, "inside"), 0);
    assert_int_equal(symlinkat("../out", s.root, "outside"), 0);
    assert_int_equal(symlinkat("/etc/passwd", s.root, "absolute"), 0);
    assert_int_equal(symlinkat("..", s.root, "a/up"), 0);
    assert_int_equal(symlinkat("../..", s.root, "a/above"), 0);
    assert_int_equal(symlinkat("loop", s.root, "loop"), 0);
    assert_int_equal(symlinkat("/proc/self/root", s.root, "magic"), 0);
    assert_int_equal(mkfifoat(s.root, "fifo", 0644), 0);
    close(base);
    return s;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void site_free(struct site *s)
{
    close(s->root);
    nftw(s->base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct row {
    const char *path;
    int opened, walked; /* 0: there is a descriptor */
} rows[] = {
    { "f", 0, 0 },
    { "a/b/c", 0, 0 },
    { "a//b///c", 0, 0 },
    { "./a/./b/c", 0, 0 },
    { "a/b", 0, 0 },
    { "a/b/", 0, 0 },
    { "...", 0, 0 },
    { "fifo", 0, 0 },
    { "nothing", ENOENT, ENOENT },
    { "a/nothing/c", ENOENT, ENOENT },
    { "f/", ENOTDIR, ENOTDIR },
    { "f/c", ENOTDIR, ENOTDIR },
    { "", ENOENT, ENOENT },
    { "..", EXDEV, EXDEV },
    { "../out", EXDEV, EXDEV },
    { "a/../../out", EXDEV, EXDEV },
    { "a/b/../../../out", EXDEV, EXDEV },
    { "/etc/passwd", EXDEV, EXDEV },
    { "/", EXDEV, EXDEV },
    { "inside", 0, ELOOP },
    { "a/up/f", 0, ENOTDIR },
    { "outside", EXDEV, ELOOP },
    { "absolute", EXDEV, ELOOP },
    { "a/above/out", EXDEV, ENOTDIR },
    { "magic/etc/passwd", EXDEV, ENOTDIR },
    { "loop", ELOOP, ELOOP },
};

static void check(int fd, int due, const char *path)
{
    if (fd >= 0)
        close(fd);
    if ((due == 0) != (fd >= 0) || (due != 0 && fd != -due))
        fail_msg("%s: %d, not %d", path, fd, -due);
}

/* Valgrind and some sandboxes do not: then no link is followed at all. */
static bool knows_openat2(void)
{
    return syscall(SYS_openat2, -1, NULL, NULL, 0) == -1 && errno != ENOSYS && errno != EPERM;
}

TEST(beneath, http_15_opens_below_the_root_and_nothing_else)
{
    struct site s = site_make();
    bool asks = knows_openat2();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(beneath_open(s.root, rows[i].path), asks ? rows[i].opened : rows[i].walked, rows[i].path);
    site_free(&s);
}

TEST(beneath, http_15_walks_without_following_any_link)
{
    struct site s = site_make();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(beneath_walk(s.root, rows[i].path), rows[i].walked, rows[i].path);
    char name[400];
    memset(name, 'n', sizeof(name));
    for (int len = 254; len <= 256; len++) {
        name[len] = 0;
        check(beneath_walk(s.root, name), len <= 255 ? ENOENT : ENAMETOOLONG, "a long name");
        name[len] = 'n';
    }
    site_free(&s);
}

TEST(beneath, loses_no_descriptor)
{
    struct site s = site_make();
    bool asks = knows_openat2();
    int before = dup(s.root);
    close(before);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        check(beneath_open(s.root, rows[i].path), asks ? rows[i].opened : rows[i].walked, rows[i].path);
        check(beneath_walk(s.root, rows[i].path), rows[i].walked, rows[i].path);
    }
    int after = dup(s.root);
    close(after);
    assert_int_equal(after, before);
    site_free(&s);
}
