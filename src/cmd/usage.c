/* SPDX-License-Identifier: MIT */
#include "cmd/usage.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first number of a file; false: it cannot be read. */
static bool read_number(const char *path, uint64_t *out)
{
    unsigned long long n = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool good = fscanf(f, "%llu", &n) == 1;
    fclose(f);
    *out = n;
    return good;
}

/* The number behind `key` in lines such as "Slab:  1234 kB", in bytes. */
static uint64_t read_kib(const char *path, const char *key)
{
    char line[256];
    unsigned long long n = 0;
    size_t len = strlen(key);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, key, len) == 0 && sscanf(line + len, "%llu", &n) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return n * 1024;
}

/* A thread that ended meanwhile takes its time with it. */
static bool add_cpu(pid_t pid, uint64_t *sum)
{
    char path[300];
    snprintf(path, sizeof(path), "/proc/%ld/task", (long)pid);
    DIR *d = opendir(path);
    if (d == NULL)
        return false;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        uint64_t ns;
        snprintf(path, sizeof(path), "/proc/%ld/task/%.40s/schedstat", (long)pid, e->d_name);
        if (e->d_name[0] != '.' && read_number(path, &ns))
            *sum += ns;
    }
    closedir(d);
    return true;
}

static uint64_t socket_bytes(void)
{
    char line[256];
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/net/sockstat", "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "TCP: inuse %*u orphan %*u tw %*u alloc %*u mem %llu", &pages) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct usage usage_read(const pid_t *pids, unsigned count, bool memory)
{
    struct usage u = { .known = count > 0 };
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        u.known = add_cpu(pids[i], &u.cpu_ns) && u.known;
        if (!memory)
            continue;
        snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pids[i]);
        u.own += read_kib(path, "Anonymous:");
        snprintf(path, sizeof(path), "/proc/%ld/status", (long)pids[i]);
        u.rss += read_kib(path, "VmRSS:");
    }
    if (memory)
        u.kernel = read_kib("/proc/meminfo", "Slab:") + read_kib("/proc/meminfo", "PageTables:") + socket_bytes();
    return u;
}
