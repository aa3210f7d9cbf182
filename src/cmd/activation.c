/* SPDX-License-Identifier: MIT */
#include "cmd/activation.h"
#include "base/mem.h"
#include <duet/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FIRST = 3 };

/* A decimal number and nothing else; -1: it is none, or beyond `most`. */
static long number(const char *text, long most)
{
    long n = 0;
    if (*text == 0)
        return -1;
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9' || n > most)
            return -1;
        n = n * 10 + (*text - '0');
    }
    return n <= most ? n : -1;
}

/* "web:admin" of LISTEN_FDNAMES; those that it does not reach have no name. */
static int take_names(struct activation *a, const char *list)
{
    for (int i = 0; i < a->count; i++)
        a->names[i] = "";
    if (list == NULL)
        return 0;
    char *rest = a->name_list = mem_strdup(list);
    if (rest == NULL)
        return DUET_ERR_NOMEM;
    for (int i = 0; i < a->count && rest != NULL; i++)
        a->names[i] = strsep(&rest, ":");
    return 0;
}

static int take(struct activation *a, const char *fds, const char *names, char why[ACTIVATION_WHY])
{
    long count = number(fds, ACTIVATION_MOST);
    if (count < 0) {
        snprintf(why, ACTIVATION_WHY, "LISTEN_FDS=%.40s: at most %d sockets can be passed; systemd sets it by itself",
                 fds, ACTIVATION_MOST);
        return DUET_ERR_INVALID;
    }
    for (int fd = FIRST; fd < FIRST + count; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
            snprintf(why, ACTIVATION_WHY,
                     "LISTEN_FDS=%.40s, but descriptor %d is not open; start it by systemd, or without LISTEN_FDS", fds,
                     fd);
            return DUET_ERR_INVALID;
        }
    a->count = (int)count;
    int rc = take_names(a, names);
    if (rc < 0)
        snprintf(why, ACTIVATION_WHY, "%s", duet_strerror(rc));
    return rc;
}

int activation_take(struct activation *a, char why[ACTIVATION_WHY])
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    *a = (struct activation){ 0 };
    /* What a parent was given and did not remove is not ours. */
    bool ours = pid != NULL && fds != NULL && number(pid, INT32_MAX) == (long)getpid();
    int rc = ours ? take(a, fds, getenv("LISTEN_FDNAMES"), why) : 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return rc;
}

void activation_fini(struct activation *a)
{
    mem_free(a->urls);
    mem_free(a->name_list);
    *a = (struct activation){ 0 };
}

/* What stands behind fd: or fd+tls:; NULL: the URL names no descriptor. */
static const char *named(const char *url, bool *tls)
{
    *tls = strncasecmp(url, "fd+tls:", 7) == 0;
    if (*tls)
        return url + 7;
    return strncasecmp(url, "fd:", 3) == 0 ? url + 3 : NULL;
}

static bool is_meant(const struct activation *a, int i, const char *name)
{
    return (name[0] != 0 && strcmp(a->names[i], name) == 0) || number(name, INT32_MAX) == FIRST + i;
}

static int use(struct activation *a, int i, bool tls, const char *said, const char **out, char why[ACTIVATION_WHY])
{
    if (a->used[i]) {
        snprintf(why, ACTIVATION_WHY, "descriptor %d (%.60s) is named twice; one URL can have it", FIRST + i,
                 a->names[i]);
        return DUET_ERR_INVALID;
    }
    a->used[i] = true;
    a->said[i] = said;
    snprintf(a->text[i], sizeof(a->text[i]), "fd%s:%d", tls ? "+tls" : "", FIRST + i);
    *out = a->text[i];
    return 1;
}

static int not_there(const struct activation *a, const char *url, char why[ACTIVATION_WHY])
{
    char names[60] = "";
    for (int i = 0; i < a->count; i++) {
        size_t len = strlen(names);
        snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "", a->names[i][0] ? a->names[i] : "?");
    }
    if (a->count == 0)
        snprintf(why, ACTIVATION_WHY,
                 "\"%.60s\": no socket was passed; start it by systemd's .socket unit, or listen on "
                 "an address",
                 url);
    else
        snprintf(why, ACTIVATION_WHY,
                 "\"%.40s\": no socket of that name was passed, but: %s; FileDescriptorName= of the "
                 ".socket unit says it",
                 url, names);
    return DUET_ERR_INVALID;
}

/* Puts all that one URL stands for at `out`, and returns how many these are. */
static int resolve(struct activation *a, const char *url, const char **out, char why[ACTIVATION_WHY])
{
    bool tls;
    const char *name = named(url, &tls);
    int found = 0, rc = 1;
    a->blame = url;
    for (int i = 0; name != NULL && rc > 0 && i < a->count; i++)
        if (is_meant(a, i, name))
            rc = use(a, i, tls, url, out + found++, why);
    if (rc < 0 || found > 0)
        return rc < 0 ? rc : found;
    /* A number may be a descriptor that a shell opened: the server looks at it. */
    if (name != NULL && number(name, INT32_MAX) < 0)
        return not_there(a, url, why);
    *out = url;
    return 1;
}

void activation_assume(struct activation *a, const char *url)
{
    bool tls;
    const char *name = named(url, &tls);
    if (name == NULL || name[0] == 0 || number(name, INT32_MAX) >= 0 || (a->count > 0 && !a->assumed) ||
        a->count == ACTIVATION_MOST)
        return;
    a->assumed = true;
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->names[i], name) == 0)
            return;
    a->names[a->count++] = name;
}

int activation_one(struct activation *a, const char **url, char why[ACTIVATION_WHY])
{
    const char *found[ACTIVATION_MOST];
    int count = *url != NULL ? resolve(a, *url, found, why) : 0;
    if (count > 1) {
        snprintf(why, ACTIVATION_WHY, "\"%.60s\": %d sockets have this name, and one is needed here", *url, count);
        return DUET_ERR_INVALID;
    }
    if (count == 1)
        *url = found[0];
    return count < 0 ? count : 0;
}

/* All of them, or a complaint about the one that was left out. */
static int use_the_rest(struct activation *a, char why[ACTIVATION_WHY])
{
    bool any = false;
    a->blame = NULL;
    for (int i = 0; i < a->count; i++)
        any |= a->used[i];
    for (int i = 0; i < a->count; i++) {
        if (any && !a->used[i]) {
            snprintf(why, ACTIVATION_WHY,
                     "descriptor %d (%.50s) was passed and nothing listens on it: --listen fd:%.50s", FIRST + i,
                     a->names[i][0] ? a->names[i] : "no name", a->names[i][0] ? a->names[i] : "NUMBER");
            return DUET_ERR_INVALID;
        }
        if (!any)
            use(a, i, false, NULL, &a->urls[a->filled++], why);
    }
    return 0;
}

int activation_listen(struct activation *a, const char *const *given, char why[ACTIVATION_WHY])
{
    size_t count = 0;
    while (given[count] != NULL)
        count++;
    /* Each URL is itself or sockets, and each socket is there once. */
    a->urls = mem_zalloc((count + (size_t)a->count + 1) * sizeof(*a->urls));
    if (a->urls == NULL) {
        snprintf(why, ACTIVATION_WHY, "%s", duet_strerror(DUET_ERR_NOMEM));
        return DUET_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        int rc = resolve(a, given[i], a->urls + a->filled, why);
        if (rc < 0)
            return rc;
        a->filled += (size_t)rc;
    }
    return use_the_rest(a, why);
}

const char *activation_said(const struct activation *a, const char *url)
{
    for (int i = 0; i < a->count; i++)
        if (url == a->text[i])
            return a->said[i];
    return url;
}
