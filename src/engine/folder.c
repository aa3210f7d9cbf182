/* SPDX-License-Identifier: MIT */
#include "engine/folder.h"
#include "engine/log.h"
#include <duet/error.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "duet.sqlite"
#define NEW_NAME  FILE_NAME ".new"
#define LOCK_NAME "duet.lock"

static int fail(char why[FOLDER_WHY], const char *name, const char *what)
{
    int error = -errno;
    snprintf(why, FOLDER_WHY, "%.120s: %s (%s)", name, what, strerror(-error));
    return error;
}

/* What stands at a name is a file of this user's that nobody else can read. */
static int check_file(struct folder *f, const char *name, int fd, char why[FOLDER_WHY])
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fail(why, name, "cannot be looked at");
    if (!S_ISREG(st.st_mode))
        snprintf(why, FOLDER_WHY, "%.100s/%s is no file", f->path, name);
    else if (st.st_uid != geteuid() && st.st_uid != f->owner)
        snprintf(why, FOLDER_WHY, "%.100s/%s belongs to another user", f->path, name);
    else if (st.st_mode & 077)
        snprintf(why, FOLDER_WHY, "%.100s/%s can be read by others: chmod 600 it", f->path, name);
    else
        return 0;
    return DUET_ERR_INVALID;
}

/* Opens a file of the folder, and makes it with `flags`; the descriptor. */
static int open_file(struct folder *f, const char *name, int flags, char why[FOLDER_WHY])
{
    int fd = openat(f->fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | flags, 0600);
    if (fd < 0 && errno == ELOOP)
        return fail(why, name, "is a link, which is not followed");
    if (fd < 0)
        return fail(why, name, "cannot be opened");
    int rc = check_file(f, name, fd, why);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

static int take_lock(struct folder *f, char why[FOLDER_WHY])
{
    char pid[24] = "";
    f->lock_fd = open_file(f, LOCK_NAME, O_CREAT, why);
    if (f->lock_fd < 0)
        return f->lock_fd;
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        int error = -errno;
        ssize_t n = read(f->lock_fd, pid, sizeof(pid) - 1);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
        snprintf(why, FOLDER_WHY, "%.120s is in use by another process%s%s", f->path, pid[0] ? ", " : "", pid);
        return error == -EWOULDBLOCK ? -EBUSY : error;
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    /* For people only: the lock holds without it, on a full disk, too. */
    if (ftruncate(f->lock_fd, 0) == 0 && pwrite(f->lock_fd, pid, (size_t)len, 0) < 0)
        return 0;
    return 0;
}

static int enter(struct folder *f, const char *dir, char why[FOLDER_WHY])
{
    struct stat st;
    if (realpath(dir, f->path) == NULL)
        return fail(why, dir, "cannot be found");
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0)
        return fail(why, dir, "is no folder that can be read");
    if (fstat(f->fd, &st) == 0 && (st.st_mode & S_IWOTH)) {
        snprintf(why, FOLDER_WHY, "%.120s can be written by everybody: chmod o-w it", f->path);
        return DUET_ERR_INVALID;
    }
    snprintf(f->file, sizeof(f->file), "%s/" FILE_NAME, f->path);
    return 0;
}

int folder_open(struct folder *f, const char *dir, char why[FOLDER_WHY])
{
    memset(f, 0, sizeof(*f));
    f->fd = f->lock_fd = -1;
    f->owner = geteuid();
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return fail(why, dir, "cannot be made");
    int rc = enter(f, dir, why);
    return rc < 0 ? rc : take_lock(f, why);
}

void folder_close(struct folder *f)
{
    if (f->lock_fd > 0)
        close(f->lock_fd);
    if (f->fd > 0)
        close(f->fd);
    f->fd = f->lock_fd = -1;
}

int folder_prepare(struct folder *f, bool *made, char why[FOLDER_WHY])
{
    static const char *const beside[] = { FILE_NAME "-wal", FILE_NAME "-shm", FILE_NAME "-mark" };
    struct stat st;
    int fd = open_file(f, FILE_NAME, O_CREAT, why);
    if (fd < 0)
        return fd;
    *made = fstat(fd, &st) == 0 && st.st_size == 0;
    close(fd);
    for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
        fd = open_file(f, beside[i], 0, why);
        if (fd >= 0)
            close(fd);
        else if (fd != -ENOENT)
            return fd;
    }
    why[0] = '\0';
    return 0;
}

/* The folder is not there: its parent has to let us make it. */
static int look_above(const char *dir, char why[FOLDER_WHY])
{
    char above[PATH_MAX];
    if (snprintf(above, sizeof(above), "%s", dir) >= (int)sizeof(above))
        errno = ENAMETOOLONG;
    else if (faccessat(AT_FDCWD, dirname(above), W_OK | X_OK, AT_EACCESS) == 0)
        return 0;
    return fail(why, dir, "cannot be made");
}

int folder_look(const char *dir, char why[FOLDER_WHY])
{
    static const char *const names[] = { LOCK_NAME, FILE_NAME, FILE_NAME "-wal", FILE_NAME "-shm", FILE_NAME "-mark" };
    struct folder f = { .fd = -1, .lock_fd = -1, .owner = geteuid() };
    struct stat st;
    if (lstat(dir, &st) < 0 && errno == ENOENT)
        return look_above(dir, why);
    int rc = enter(&f, dir, why);
    if (rc == 0 && faccessat(f.fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        rc = fail(why, dir, "cannot be written");
    /* Root may look for the user whose folder it is, who will start it. */
    if (rc == 0 && f.owner == 0 && fstat(f.fd, &st) == 0)
        f.owner = st.st_uid;
    for (size_t i = 0; rc == 0 && i < sizeof(names) / sizeof(*names); i++) {
        int fd = open_file(&f, names[i], 0, why);
        if (fd >= 0)
            close(fd);
        else if (fd != -ENOENT)
            rc = fd;
    }
    folder_close(&f);
    return rc;
}

int folder_prepare_new(struct folder *f)
{
    static const char *const old[] = { NEW_NAME, NEW_NAME "-wal", NEW_NAME "-shm" };
    for (size_t i = 0; i < sizeof(old) / sizeof(*old); i++)
        if (unlinkat(f->fd, old[i], 0) < 0 && errno != ENOENT)
            return -errno;
    int fd = openat(f->fd, NEW_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

int folder_log(struct folder *f, enum folder_log *log)
{
    int fd = openat(f->fd, FILE_NAME "-wal", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    *log = FOLDER_LOG_NONE;
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = log_inspect(fd, f->fd);
    close(fd);
    if (rc >= 0)
        *log = (enum folder_log)rc;
    return rc < 0 ? rc : 0;
}

/* A name that nothing has yet. */
static void name_damaged(struct folder *f, uint64_t now_ms, char name[64])
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm = { .tm_year = 0 };
    char when[24];
    struct stat st;
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
    for (unsigned n = 0; n < 1000; n++) {
        snprintf(name, 64, n == 0 ? FILE_NAME ".damaged-%s" : FILE_NAME ".damaged-%s-%u", when, n);
        if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return;
    }
}

static int set_aside(struct folder *f, const char *name)
{
    char log_name[80];
    snprintf(log_name, sizeof(log_name), "%s-wal", name);
    /* The log first: the new file must never meet the old one's. */
    if (renameat(f->fd, FILE_NAME "-wal", f->fd, log_name) < 0 && errno != ENOENT)
        return -errno;
    if (unlinkat(f->fd, FILE_NAME "-shm", 0) < 0 && errno != ENOENT)
        return -errno;
    return linkat(f->fd, FILE_NAME, f->fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int folder_replace(struct folder *f, uint64_t now_ms, char name[64])
{
    name_damaged(f, now_ms, name);
    int rc = set_aside(f, name);
    if (rc == 0 && (fsync(f->fd) < 0 || renameat(f->fd, NEW_NAME, f->fd, FILE_NAME) < 0 || fsync(f->fd) < 0))
        rc = -errno;
    return rc;
}
