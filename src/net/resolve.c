/* SPDX-License-Identifier: MIT */
/*
 *   lookup_start() --> waiting --> run() on a thread --> posted to the loop --> done()
 *
 * A thread ends when nothing waits. The lookup belongs to the loop's side and the thread's, and goes with the last one:
 * `refs` says how many there are, `loop` is NULL once the loop's side has lost interest. All is under one lock.
 */
#include "net/resolve.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

enum { NAME = 256 };

struct lookup {
    struct task posted; /* first */
    struct lookup *next;
    duet_loop *loop;
    unsigned refs;
    bool is_posted;
    void (*done)(void *arg, const struct resolved *);
    void *arg;
    uint16_t port;
    char host[NAME];
    struct resolved result;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct lookup *waiting, **last = &waiting;
static unsigned threads;

static void set_port(struct sockaddr_storage *at, uint16_t port)
{
    if (at->ss_family == AF_INET)
        ((struct sockaddr_in *)at)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)at)->sin6_port = htons(port);
}

void resolve_interleave(struct resolved *r)
{
    for (unsigned i = 1; i < r->count; i++) {
        unsigned k = i;
        while (k < r->count && r->address[k].at.ss_family == r->address[i - 1].at.ss_family)
            k++;
        if (k == r->count)
            return; /* the rest is of one family */
        __typeof__(r->address[0]) other = r->address[k];
        memmove(&r->address[i + 1], &r->address[i], (k - i) * sizeof(other));
        r->address[i] = other;
    }
}

static void look_up(struct resolved *out, const char *host, uint16_t port)
{
    struct addrinfo *list, hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    int rc = getaddrinfo(host, NULL, &hints, &list);
    if (rc != 0) {
        out->error = rc == EAI_MEMORY ? DUET_ERR_NOMEM : rc == EAI_SYSTEM && errno != 0 ? -errno : DUET_ERR_RESOLVE;
        return;
    }
    for (const struct addrinfo *a = list; a != NULL && out->count < RESOLVE_MOST; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
            continue;
        memcpy(&out->address[out->count].at, a->ai_addr, a->ai_addrlen);
        out->address[out->count].len = a->ai_addrlen;
        set_port(&out->address[out->count++].at, port);
    }
    freeaddrinfo(list);
    out->error = out->count > 0 ? 0 : DUET_ERR_RESOLVE;
    resolve_interleave(out);
}

static bool add_v4(struct resolved *out, const char *text, uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (inet_pton(AF_INET, text, &at.sin_addr) != 1)
        return false;
    memcpy(&out->address[out->count].at, &at, sizeof(at));
    out->address[out->count++].len = sizeof(at);
    return true;
}

static bool add_v6(struct resolved *out, const char *text, uint16_t port)
{
    struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    if (inet_pton(AF_INET6, text, &at.sin6_addr) != 1)
        return false;
    memcpy(&out->address[out->count].at, &at, sizeof(at));
    out->address[out->count++].len = sizeof(at);
    return true;
}

bool resolve_literal(struct resolved *out, const char *host, uint16_t port)
{
    out->error = 0;
    out->count = 0;
    if (strcasecmp(host, "localhost") == 0)
        return add_v6(out, "::1", port) && add_v4(out, "127.0.0.1", port);
    return add_v4(out, host, port) || add_v6(out, host, port);
}

/* With the lock. */
static void unref(struct lookup *l)
{
    if (--l->refs == 0)
        mem_free(l);
}

static void deliver(struct task *t)
{
    struct lookup *l = (struct lookup *)t;
    l->done(l->arg, &l->result);
    pthread_mutex_lock(&lock);
    unref(l);
    pthread_mutex_unlock(&lock);
}

static void *run(void *unused)
{
    struct lookup *l;
    pthread_mutex_lock(&lock);
    while ((l = waiting) != NULL) {
        waiting = l->next;
        if (waiting == NULL)
            last = &waiting;
        bool wanted = l->loop != NULL;
        pthread_mutex_unlock(&lock);
        if (wanted)
            look_up(&l->result, l->host, l->port);
        pthread_mutex_lock(&lock);
        if (l->loop != NULL) {
            l->is_posted = true;
            loop_post_task(l->loop, &l->posted);
        }
        unref(l);
    }
    threads--;
    pthread_mutex_unlock(&lock);
    return unused;
}

/* With the lock. One more thread when there may be one; -errno only if there is none at all. */
static int start_thread(void)
{
    pthread_t thread;
    pthread_attr_t detached;
    sigset_t all, before;
    if (threads == RESOLVE_THREADS)
        return 0;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, &detached, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    threads += rc == 0;
    return threads > 0 ? 0 : -rc;
}

int lookup_start(struct lookup **out, duet_loop *loop, const char *host, uint16_t port,
                 void (*done)(void *arg, const struct resolved *), void *arg)
{
    size_t len = strlen(host);
    if (len >= NAME)
        return DUET_ERR_INVALID;
    struct lookup *l = mem_zalloc(sizeof(*l));
    if (l == NULL)
        return DUET_ERR_NOMEM;
    l->posted.run = deliver;
    l->loop = loop;
    l->refs = 2;
    l->done = done;
    l->arg = arg;
    l->port = port;
    memcpy(l->host, host, len + 1);
    pthread_mutex_lock(&lock);
    int rc = start_thread();
    if (rc < 0) {
        mem_free(l);
    } else {
        *last = l;
        last = &l->next;
        *out = l;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

void lookup_cancel(struct lookup *l)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&lock);
    if (l->is_posted)
        loop_unpost(l->loop, &l->posted);
    l->loop = NULL;
    unref(l);
    pthread_mutex_unlock(&lock);
}
