/* SPDX-License-Identifier: MIT */
#include "net/random.h"
#include <duet/error.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint forks;

static void in_child(void)
{
    atomic_fetch_add(&forks, 1);
}

static void init_once(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

int random_system(void *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = getrandom((char *)to + done, len - done, 0);
        if (n < 0 && errno == EINTR)
            continue; /* a signal, early after the boot or in the middle of much (TLS-14) */
        if (n <= 0)
            return DUET_ERR_RANDOM;
        done += (size_t)n;
    }
    return 0;
}

int random_fill(struct random *r, void *to, size_t len)
{
    if (len > sizeof(r->bytes))
        return random_system(to, len);
    unsigned generation = atomic_load_explicit(&forks, memory_order_relaxed);
    if (len > r->left || generation != r->generation) {
        pthread_once(&once, init_once);
        r->left = 0;
        if (random_system(r->bytes, sizeof(r->bytes)) < 0)
            return DUET_ERR_RANDOM;
        r->left = sizeof(r->bytes);
        r->generation = generation;
    }
    uint8_t *from = r->bytes + sizeof(r->bytes) - r->left;
    memcpy(to, from, len);
    explicit_bzero(from, len);
    r->left -= (unsigned)len;
    return 0;
}
