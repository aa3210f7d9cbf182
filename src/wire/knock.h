/* SPDX-License-Identifier: MIT */
/*
 * Who comes to a plain way and wants in: who that is, by its token or by what the backend says, and whether it may
 * subscribe to the channels it names. The backend may be asked several things, one after the other; the request waits
 * meanwhile, and may be gone before it is answered.
 */
#ifndef WIRE_KNOCK_H
#define WIRE_KNOCK_H

#include "wire/guest.h"

struct knock {
    const char *transport; /* as the backend is told */
    const char *const *channels;
    unsigned count; /* of channels; they are borrowed from `arg` */
    /* It may come in, on its loop: `x` is to be answered, `guest` is taken. */
    void (*open)(duet_http *x, struct guest *guest, void *arg);
    /* It may not, and was told so, or it is gone: `arg` is to be freed. One of the two is called, once. */
    void (*drop)(void *arg);
    void *arg;
};

/* Right away where nobody has to be asked. */
void knock_at(duet_http *x, const duet_request *r, const struct knock *k);

#endif
