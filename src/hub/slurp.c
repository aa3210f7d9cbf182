/* SPDX-License-Identifier: MIT */
#include "hub/slurp.h"
#include "base/mem.h"
#include <duet/error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Reads to the end, one byte more than may be there at most. */
static int read_all(int fd, char *to, size_t most, size_t *len)
{
    for (*len = 0; *len <= most;) {
        ssize_t n = read(fd, to + *len, most + 1 - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        *len += (size_t)n;
    }
    return DUET_ERR_TOO_BIG;
}

int slurp(char **out, size_t *len, const char *path, size_t most)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    char *bytes = mem_alloc(most + 2);
    int rc = bytes ? read_all(fd, bytes, most, len) : DUET_ERR_NOMEM;
    close(fd);
    if (rc < 0) {
        slurp_wipe(bytes, bytes ? most + 2 : 0);
        return rc;
    }
    bytes[*len] = 0;
    *out = bytes;
    return 0;
}

void slurp_wipe(char *bytes, size_t len)
{
    if (bytes != NULL)
        explicit_bzero(bytes, len);
    mem_free(bytes);
}

size_t slurp_secret_len(const char *bytes, size_t len)
{
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    return len;
}
