/* SPDX-License-Identifier: MIT */
#include "server/cgroup.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As much of a file as fits, with a zero behind it. */
static void read_text(const char *path, char *to, size_t size)
{
    size_t have = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t n = 1; fd >= 0 && n > 0 && have < size - 1; have += n > 0 ? (size_t)n : 0)
        n = read(fd, to + have, size - 1 - have);
    if (fd >= 0)
        close(fd);
    to[have] = 0;
}

uint64_t file_number(const char *path, unsigned skip)
{
    char text[128];
    read_text(path, text, sizeof(text));
    const char *at = text;
    for (; skip > 0 && (at = strchr(at, ' ')) != NULL; skip--)
        at++;
    return at ? strtoull(at, NULL, 10) : 0;
}

/* Of a group, and of each above it up to the mount's own: within a container that is the container's, whatever the
 * group is called outside. */
static uint64_t least_above(const char *mount, const char *file, char *group)
{
    char path[PATH_MAX];
    uint64_t least = 0;
    for (;;) {
        int n = snprintf(path, sizeof(path), "%s%s/%s", mount, group, file);
        uint64_t limit = n < (int)sizeof(path) ? file_number(path, 0) : 0;
        if (limit > 0 && limit < UINT64_MAX / 4 && (least == 0 || limit < least)) /* huge numbers mean none */
            least = limit;
        char *last = strrchr(group, '/');
        if (last == NULL)
            return least;
        *last = 0;
    }
}

/* A line is ID:CONTROLLERS:/GROUP; version 2 has no controllers in it. */
static uint64_t limit_of_line(char *line, const char *mount)
{
    char v1[PATH_MAX];
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return 0;
    *group++ = 0;
    if (controllers[1] == 0)
        return least_above(mount, "memory.max", group);
    if (strcmp(controllers + 1, "memory") != 0)
        return 0;
    snprintf(v1, sizeof(v1), "%s/memory", mount);
    return least_above(v1, "memory.limit_in_bytes", group);
}

uint64_t cgroup_memory_max(const char *self, const char *mount)
{
    char text[8192], *rest = text;
    uint64_t least = 0;
    read_text(self, text, sizeof(text));
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        uint64_t limit = limit_of_line(line, mount);
        if (limit > 0 && (least == 0 || limit < least))
            least = limit;
    }
    return least;
}
