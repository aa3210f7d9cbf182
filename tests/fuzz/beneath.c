/* SPDX-License-Identifier: MIT */
/* No name opens a file outside its folder, by the kernel's check or step by step; what both open is the same file. The
 * tree has folders, files, and links that stay inside and lead out. */
#include "fuzz.h"
#include "net/beneath.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char root_name[64];
static int root = -1;

static void remove_tree(void)
{
    static const char *const names[] = { "a/b/in", "a/b/up", "a/b/f", "a/f", "a/out", "f", "out", "etc", "l" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unlinkat(root, names[i], 0);
    unlinkat(root, "a/b", AT_REMOVEDIR);
    unlinkat(root, "a", AT_REMOVEDIR);
    rmdir(root_name);
}

static void make_tree(void)
{
    snprintf(root_name, sizeof(root_name), "/tmp/duet-beneath-XXXXXX");
    CHECK(mkdtemp(root_name) != NULL && (root = open(root_name, O_PATH | O_DIRECTORY)) >= 0);
    CHECK(mkdirat(root, "a", 0700) == 0 && mkdirat(root, "a/b", 0700) == 0);
    static const char *const files[] = { "f", "a/f", "a/b/f" };
    for (int i = 0; i < 3; i++)
        close(openat(root, files[i], O_CREAT | O_WRONLY, 0600));
    CHECK(symlinkat("../f", root, "a/b/in") == 0 && symlinkat("../../..", root, "a/b/up") == 0);
    CHECK(symlinkat("/etc/passwd", root, "out") == 0 && symlinkat("../../etc", root, "a/out") == 0);
    CHECK(symlinkat("/etc", root, "etc") == 0 && symlinkat("l", root, "l") == 0);
    atexit(remove_tree);
}

/* Where an open file really is. */
static void judge(int fd, struct stat *st)
{
    char link[64], at[512];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, at, sizeof(at) - 1);
    size_t len = strlen(root_name);
    CHECK(n >= (ssize_t)len && memcmp(at, root_name, len) == 0 && (n == (ssize_t)len || at[len] == '/'));
    CHECK(fstat(fd, st) == 0);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (root < 0)
        make_tree();
    char *path = malloc(size + 1);
    struct stat one, other;
    CHECK(path != NULL);
    memcpy(path, data, size);
    path[size] = 0;
    int fd = path[0] ? beneath_open(root, path) : -ENOENT, walked = path[0] ? beneath_walk(root, path) : -ENOENT;
    if (fd >= 0)
        judge(fd, &one);
    if (walked >= 0)
        judge(walked, &other);
    CHECK(walked < 0 || fd < 0 || (one.st_ino == other.st_ino && one.st_dev == other.st_dev));
    free(path);
    return 0;
}
