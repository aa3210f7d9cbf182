/* SPDX-License-Identifier: MIT */
/*
 * A VFS for SQLite on top of its own, which can note what is written and synced, make a call fail, and hold a sync; and
 * an allocator on top of its own, which can fail, too.
 * From the notes comes what may be on a disk after a power cut at any moment.
 */
#ifndef TESTS_SHIM_H
#define TESTS_SHIM_H

#include "test.h"
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#define USED_OR_NOT_HERE __attribute__((unused))

enum shim_kind { SHIM_MAIN, SHIM_LOG, SHIM_JOURNAL, SHIM_KINDS, SHIM_NONE = SHIM_KINDS };
enum shim_op {
    SHIM_READ,
    SHIM_WRITE,
    SHIM_TRUNCATE,
    SHIM_SYNC,
    SHIM_OPEN,
    SHIM_DELETE,
    SHIM_OPS,
    SHIM_MARK = SHIM_OPS,
    SHIM_LOST,
    SHIM_MEMORY /* an allocation of SQLite's */
};

struct shim_note {
    enum shim_op op;
    enum shim_kind kind;
    sqlite3_int64 at;
    int len;
    uint8_t *data;
    unsigned mark;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool notes_on;
    struct shim_note *notes;
    size_t count, cap;

    unsigned fail_ops; /* bits 1 << enum shim_op that count */
    long fail_at;      /* calls until the one that fails; -1: none does */
    bool fail_for_ever;
    int fail_with;
    long calls; /* of those that count */
    sqlite3_int64 bytes_read;

    bool hold_syncs; /* each waits until this is false */
    unsigned held;
} shim = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .fail_at = -1 };

struct shim_file {
    sqlite3_file base;
    enum shim_kind kind;
    sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct shim_file *)f)->real;
}

static enum shim_kind kind_of(sqlite3_file *f)
{
    return ((struct shim_file *)f)->kind;
}

static void shim_put(struct shim_note note, const void *data)
{
    if (!shim.notes_on || note.kind == SHIM_NONE)
        return;
    if (shim.count == shim.cap) {
        shim.cap = shim.cap ? 2 * shim.cap : 256;
        shim.notes = realloc(shim.notes, shim.cap * sizeof(*shim.notes));
    }
    if (data != NULL) {
        note.data = malloc((size_t)note.len);
        memcpy(note.data, data, (size_t)note.len);
    }
    shim.notes[shim.count++] = note;
}

/* Says that something happened by now, seen from outside. */
USED_OR_NOT_HERE static void shim_mark(unsigned mark)
{
    pthread_mutex_lock(&shim.lock);
    shim_put((struct shim_note){ .op = SHIM_MARK, .kind = SHIM_MAIN, .mark = mark }, NULL);
    pthread_mutex_unlock(&shim.lock);
}

/* 0, or with what this call fails. */
static int shim_call(enum shim_op op)
{
    pthread_mutex_lock(&shim.lock);
    int rc = 0;
    if (shim.fail_ops & 1u << op) {
        if (shim.fail_at >= 0 && (shim.calls == shim.fail_at || (shim.fail_for_ever && shim.calls > shim.fail_at)))
            rc = shim.fail_with;
        shim.calls++;
    }
    while (op == SHIM_SYNC && shim.hold_syncs) {
        shim.held++;
        pthread_cond_broadcast(&shim.changed);
        pthread_cond_wait(&shim.changed, &shim.lock);
    }
    pthread_mutex_unlock(&shim.lock);
    return rc;
}

static void shim_note(struct shim_note note, const void *data)
{
    pthread_mutex_lock(&shim.lock);
    shim_put(note, data);
    pthread_mutex_unlock(&shim.lock);
}

/* Files. */

static int shim_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int shim_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    int rc = shim_call(SHIM_READ);
    __atomic_fetch_add(&shim.bytes_read, n, __ATOMIC_RELAXED);
    return rc ? rc : real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}

static int shim_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    int rc = shim_call(SHIM_WRITE);
    if (rc)
        return rc;
    shim_note((struct shim_note){ .op = SHIM_WRITE, .kind = kind_of(f), .at = at, .len = n }, from);
    return real_of(f)->pMethods->xWrite(real_of(f), from, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = shim_call(SHIM_TRUNCATE);
    if (rc)
        return rc;
    shim_note((struct shim_note){ .op = SHIM_TRUNCATE, .kind = kind_of(f), .at = size }, NULL);
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

/* A sync that fails loses what it was to write, though one reads it as before: so Linux does. */
static int shim_sync(sqlite3_file *f, int flags)
{
    int rc = shim_call(SHIM_SYNC);
    shim_note((struct shim_note){ .op = rc ? SHIM_LOST : SHIM_SYNC, .kind = kind_of(f) }, NULL);
    return rc ? rc : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int shim_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int shim_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int shim_device(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int shim_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), region, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int shim_shm_unmap(sqlite3_file *f, int delete)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static sqlite3_vfs *below(sqlite3_vfs *v)
{
    return v->pAppData;
}

static int shim_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct shim_file *s = (struct shim_file *)f;
    s->kind = flags & SQLITE_OPEN_MAIN_DB        ? SHIM_MAIN
              : flags & SQLITE_OPEN_WAL          ? SHIM_LOG
              : flags & SQLITE_OPEN_MAIN_JOURNAL ? SHIM_JOURNAL
                                                 : SHIM_NONE;
    s->real = (sqlite3_file *)(s + 1);
    s->base.pMethods = NULL;
    int rc = shim_call(SHIM_OPEN);
    if (rc == 0)
        rc = below(v)->xOpen(below(v), name, s->real, flags, out);
    if (rc == SQLITE_OK)
        s->base.pMethods = &shim_methods;
    if (rc == SQLITE_OK && s->kind != SHIM_NONE)
        shim_note((struct shim_note){ .op = SHIM_OPEN, .kind = s->kind }, NULL);
    return rc;
}

static int shim_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
    int rc = shim_call(SHIM_DELETE);
    if (rc)
        return rc;
    enum shim_kind kind = strstr(name, "-wal") ? SHIM_LOG : strstr(name, "-journal") ? SHIM_JOURNAL : SHIM_NONE;
    shim_note((struct shim_note){ .op = SHIM_DELETE, .kind = kind }, NULL);
    return below(v)->xDelete(below(v), name, sync_dir);
}

static sqlite3_mem_methods shim_memory;

static void *shim_malloc(int n)
{
    return shim_call(SHIM_MEMORY) ? NULL : shim_memory.xMalloc(n);
}

static void *shim_realloc(void *p, int n)
{
    return shim_call(SHIM_MEMORY) ? NULL : shim_memory.xRealloc(p, n);
}

/* They are SQLite's defaults from the start. */
__attribute__((constructor)) static void shim_register(void)
{
    static sqlite3_vfs vfs;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &shim_memory);
    sqlite3_mem_methods memory = shim_memory;
    memory.xMalloc = shim_malloc;
    memory.xRealloc = shim_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* all of it goes through here */
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    vfs = *real;
    vfs.pNext = NULL;
    vfs.zName = "shim";
    vfs.pAppData = real;
    vfs.szOsFile = (int)sizeof(struct shim_file) + real->szOsFile;
    vfs.xOpen = shim_open;
    vfs.xDelete = shim_delete;
    /* The rest is the system's, which looks at its own pAppData for the way it locks. */
    sqlite3_vfs_register(&vfs, 1);
}

/* From now on the nth of these calls fails (-1: none), once or with all that follow. */
USED_OR_NOT_HERE static void shim_fail(unsigned ops, long at, bool for_ever, int with)
{
    pthread_mutex_lock(&shim.lock);
    shim.fail_ops = ops;
    shim.fail_at = at;
    shim.fail_for_ever = for_ever;
    shim.fail_with = with;
    shim.calls = 0;
    pthread_mutex_unlock(&shim.lock);
}

/* How many there were. */
USED_OR_NOT_HERE static long shim_fail_end(void)
{
    pthread_mutex_lock(&shim.lock);
    long calls = shim.calls;
    shim.fail_ops = 0;
    shim.fail_at = -1;
    pthread_mutex_unlock(&shim.lock);
    return calls;
}

USED_OR_NOT_HERE static void shim_hold_syncs(bool hold)
{
    pthread_mutex_lock(&shim.lock);
    shim.hold_syncs = hold;
    pthread_cond_broadcast(&shim.changed);
    pthread_mutex_unlock(&shim.lock);
}

/* Until one is held. */
USED_OR_NOT_HERE static void shim_await_held(void)
{
    pthread_mutex_lock(&shim.lock);
    while (shim.held == 0)
        pthread_cond_wait(&shim.changed, &shim.lock);
    shim.held = 0;
    pthread_mutex_unlock(&shim.lock);
}

USED_OR_NOT_HERE static void shim_take_notes(bool on)
{
    pthread_mutex_lock(&shim.lock);
    if (on) {
        for (size_t i = 0; i < shim.count; i++)
            free(shim.notes[i].data);
        free(shim.notes);
        shim.notes = NULL;
        shim.count = shim.cap = 0;
    }
    shim.notes_on = on;
    pthread_mutex_unlock(&shim.lock);
}

/* What is on a disk. */

struct shim_disk {
    struct {
        uint8_t *at;
        size_t len;
        bool exists;
    } files[SHIM_KINDS];
};

static void disk_resize(struct shim_disk *d, enum shim_kind kind, size_t len)
{
    d->files[kind].at = realloc(d->files[kind].at, len + 1);
    if (len > d->files[kind].len)
        memset(d->files[kind].at + d->files[kind].len, 0, len - d->files[kind].len);
    d->files[kind].len = len;
}

/* Sectors of a write that arrive: all (`mask` NULL), or those of a bit. */
static void disk_apply(struct shim_disk *d, const struct shim_note *n, const uint64_t *mask)
{
    d->files[n->kind].exists = true;
    if (n->op == SHIM_TRUNCATE)
        disk_resize(d, n->kind, (size_t)n->at);
    if (n->op != SHIM_WRITE)
        return;
    if ((size_t)n->at + (size_t)n->len > d->files[n->kind].len)
        disk_resize(d, n->kind, (size_t)n->at + (size_t)n->len);
    for (int from = 0, sector = 0; from < n->len; sector++) {
        int to = (int)(512 - ((n->at + from) % 512)) + from;
        to = to < n->len ? to : n->len;
        if (mask == NULL || *mask & 1ull << sector % 64)
            memcpy(d->files[n->kind].at + n->at + from, n->data + from, (size_t)(to - from));
        from = to;
    }
}

USED_OR_NOT_HERE static void disk_fini(struct shim_disk *d)
{
    for (int i = 0; i < SHIM_KINDS; i++)
        free(d->files[i].at);
    memset(d, 0, sizeof(*d));
}

USED_OR_NOT_HERE static uint64_t shim_dice(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* One of the numbers below `n`. */
USED_OR_NOT_HERE static unsigned shim_pick(uint64_t *state, size_t n)
{
    return (unsigned)(shim_dice(state) % n);
}

enum shim_cut {
    CUT_KEPT,    /* all that was written arrived: what a killed process leaves */
    CUT_DROPPED, /* nothing arrived behind the last sync */
    CUT_MIXED    /* some did, in any order, and torn */
};

/* What is on the disk when the power goes after the first `count` notes. */
USED_OR_NOT_HERE static void disk_after(struct shim_disk *d, size_t count, enum shim_cut cut, uint64_t *dice)
{
    const struct shim_note **waiting = calloc(count + 1, sizeof(*waiting));
    size_t waits = 0;
    memset(d, 0, sizeof(*d));
    for (size_t i = 0; i < count; i++) {
        const struct shim_note *n = &shim.notes[i];
        if (n->op == SHIM_WRITE || n->op == SHIM_TRUNCATE) {
            waiting[waits++] = n;
        } else if (n->op == SHIM_OPEN) {
            d->files[n->kind].exists = true;
        } else if (n->op == SHIM_SYNC || n->op == SHIM_LOST || n->op == SHIM_DELETE) {
            size_t left = 0;
            for (size_t w = 0; w < waits; w++) {
                if (waiting[w]->kind != n->kind)
                    waiting[left++] = waiting[w];
                else if (n->op == SHIM_SYNC)
                    disk_apply(d, waiting[w], NULL);
            }
            waits = left;
            if (n->op == SHIM_DELETE) {
                disk_resize(d, n->kind, 0);
                d->files[n->kind].exists = false;
            }
        }
    }
    for (size_t w = waits; cut == CUT_MIXED && w > 1; w--) {
        size_t other = shim_pick(dice, w);
        const struct shim_note *swap = waiting[w - 1];
        waiting[w - 1] = waiting[other];
        waiting[other] = swap;
    }
    for (size_t w = 0; w < waits && cut != CUT_DROPPED; w++) {
        uint64_t how = shim_dice(dice), mask = shim_dice(dice);
        if (cut == CUT_KEPT || how % 4 == 0)
            disk_apply(d, waiting[w], NULL);
        else if (how % 4 == 1)
            disk_apply(d, waiting[w], &mask);
    }
    free(waiting);
}

/* Writes it into a folder as the files of the store. */
USED_OR_NOT_HERE static void disk_write(const struct shim_disk *d, const char *dir)
{
    static const char *const names[] = { "duet.sqlite", "duet.sqlite-wal", "duet.sqlite-journal" };
    char path[300];
    for (int i = 0; i < SHIM_KINDS; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
        if (!d->files[i].exists)
            continue;
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, d->files[i].at ? (void *)d->files[i].at : "", d->files[i].len), d->files[i].len);
        close(fd);
    }
    snprintf(path, sizeof(path), "%s/duet.sqlite-shm", dir);
    unlink(path);
}

#endif
