/* SPDX-License-Identifier: MIT */
#include "net/beneath.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, TRIES = 8 };

int beneath_open(int root, const char *path)
{
    struct open_how how = { .flags = FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    long fd = -1;
    /* EAGAIN: a rename somewhere while the kernel looked at a ".."; openat2(2) says to try again. */
    for (int i = 0; i < TRIES; i++) {
        fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    if (fd >= 0)
        return (int)fd;
    /* A sandbox that does not know the call may also answer EPERM. */
    return errno == ENOSYS || errno == EPERM ? beneath_walk(root, path) : -errno;
}

/* One step from the folder `at`, which stays open. The last one opens for reading, the others only to go on. */
static int step(int at, const char *name, size_t len, int last)
{
    char segment[NAME_MAX + 1];
    if (len > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(segment, name, len);
    segment[len] = 0;
    if (strcmp(segment, "..") == 0)
        return -EXDEV;
    int fd = openat(at, segment, last ? FLAGS | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int beneath_walk(int root, const char *path)
{
    int at = root;
    if (*path == 0)
        return -ENOENT;
    if (*path == '/')
        return -EXDEV;
    for (;;) {
        size_t len = strcspn(path, "/");
        size_t slashes = strspn(path + len, "/");
        int last = path[len + slashes] == 0;
        int next = step(at, path, len, last && slashes == 0);
        if (last && slashes > 0 && next >= 0) {
            int folder = step(next, ".", 1, 1);
            close(next);
            next = folder;
        }
        if (at != root)
            close(at);
        if (last || next < 0)
            return next;
        at = next;
        path += len + slashes;
    }
}
