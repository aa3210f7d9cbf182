/* SPDX-License-Identifier: MIT */
#include "cmd/notify.h"
#include "base/clock.h"
#include <duet/error.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE = 512 };

int notify_begin(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET");
    *n = (struct notify){ .to.sun_family = AF_UNIX };
    size_t len = path ? strlen(path) : 0;
    /* "@name" is of the abstract namespace, where the first byte is 0 and the length counts. */
    bool good = len > 1 && len < sizeof(n->to.sun_path) && (path[0] == '/' || path[0] == '@');
    if (good) {
        memcpy(n->to.sun_path, path, len);
        n->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        if (path[0] == '@')
            n->to.sun_path[0] = 0;
        else
            n->len++;
    }
    unsetenv("NOTIFY_SOCKET");
    return good || path == NULL ? 0 : DUET_ERR_INVALID;
}

static int tell(const struct notify *n, const char *state)
{
    if (n->len == 0)
        return 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->len);
    int rc = sent < 0 ? -errno : 0;
    close(fd);
    return rc;
}

int notify_ready(const struct notify *n, const char *where)
{
    char state[STATE];
    snprintf(state, sizeof(state), "READY=1%s%.400s", where ? "\nSTATUS=Serving " : "", where ? where : "");
    return tell(n, state);
}

int notify_reloading(const struct notify *n)
{
    char state[STATE];
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_us());
    return tell(n, state);
}

int notify_stopping(const struct notify *n, uint64_t within_ms)
{
    char state[STATE];
    snprintf(state, sizeof(state), "STOPPING=1\nSTATUS=Draining\nEXTEND_TIMEOUT_USEC=%" PRIu64, within_ms * 1000);
    return tell(n, state);
}
