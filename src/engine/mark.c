/* SPDX-License-Identifier: MIT */
/*
 * The file has two places, which take turns: one is whole whenever the other is being written, so a kill at any moment
 * leaves a mark. It may then be the last but one, of which nobody was told either.
 */
#include "engine/mark.h"
#include "engine/crc32c.h"
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define MARK_NAME "duet.sqlite-mark"
#define LOG_NAME  "duet.sqlite-wal"

enum { SALTS_AT = 16 };

static uint32_t crc_of(const struct mark_place *p)
{
    return crc32c(0, p, offsetof(struct mark_place, crc));
}

/* The boot's name in `out`; false: it cannot be had. */
static bool this_boot(char out[MARK_BOOT])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, MARK_BOOT);
    if (fd >= 0)
        close(fd);
    return n == MARK_BOOT;
}

/* The newer one of those that are whole; false: none is. */
static bool newest(int fd, struct mark_place *out)
{
    struct mark_place places[2];
    bool found = false;
    if (pread(fd, places, sizeof(places), 0) != sizeof(places))
        return false;
    for (int i = 0; i < 2; i++)
        if (places[i].crc == crc_of(&places[i]) && (!found || places[i].turn > out->turn)) {
            *out = places[i];
            found = true;
        }
    return found;
}

bool mark_read(int folder, const uint8_t salts[MARK_SALTS], unsigned long *frames)
{
    struct mark_place p;
    char boot[MARK_BOOT];
    int fd = openat(folder, MARK_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool known = fd >= 0 && newest(fd, &p) && this_boot(boot) && memcmp(boot, p.boot, MARK_BOOT) == 0;
    if (fd >= 0)
        close(fd);
    if (known) /* a log that was begun anew holds nothing yet that was acknowledged */
        *frames = memcmp(p.salts, salts, MARK_SALTS) == 0 ? (unsigned long)p.frames : 0;
    return known;
}

/* What is not marked must not be taken for unacknowledged: then rather nothing is known. */
static void give_up(struct mark *m)
{
    unlinkat(m->folder, MARK_NAME, 0);
    mark_close(m);
}

static bool write_place(struct mark *m, struct mark_place *p)
{
    p->crc = crc_of(p);
    m->last = *p;
    return pwrite(m->fd, p, sizeof(*p), (off_t)(p->turn % 2 * sizeof(*p))) == sizeof(*p);
}

void mark_open(struct mark *m, int folder)
{
    *m = (struct mark){ .folder = folder, .log = -1 };
    m->fd = openat(folder, MARK_NAME, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    m->log = openat(folder, LOG_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct mark_place first = { .turn = 0 }, second = { .turn = 1 };
    if (m->fd < 0 || !this_boot(first.boot)) {
        give_up(m);
        return;
    }
    memcpy(second.boot, first.boot, MARK_BOOT);
    if (!write_place(m, &first) || !write_place(m, &second))
        give_up(m);
    else
        mark_set(m, 0);
}

void mark_close(struct mark *m)
{
    if (m->fd >= 0)
        close(m->fd);
    if (m->log >= 0)
        close(m->log);
    m->fd = m->log = -1;
}

void mark_set(struct mark *m, unsigned long frames)
{
    struct mark_place next = m->last;
    if (m->fd < 0)
        return;
    if (pread(m->log, next.salts, MARK_SALTS, SALTS_AT) != MARK_SALTS) {
        give_up(m);
        return;
    }
    if (memcmp(m->last.salts, next.salts, MARK_SALTS) == 0 && m->last.frames >= frames)
        return; /* a log only grows */
    next.frames = frames;
    next.turn++;
    if (!write_place(m, &next))
        give_up(m);
}
