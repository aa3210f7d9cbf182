/* SPDX-License-Identifier: MIT */
/*
 * What `duet serve` is to do: its configuration file, the environment and the command line, put together; the keys that
 * they name; and whether that may go into production.
 */
#ifndef CMD_SETUP_H
#define CMD_SETUP_H

#include "cmd/options.h"
#include "hook/hook.h"
#include "hub/config.h"
#include "hub/doors.h"
#include "hub/hub.h"
#include <stdatomic.h>

enum { SETUP_WHY = CONFIG_WHY };

struct setup {
    struct config config;        /* what the file, the environment and the command line say */
    struct options options;      /* the same where it is a text or a list of texts, which are the configuration's; flags
                                    and certificates are the command line's */
    const struct options *given; /* the command line alone, borrowed */
    struct hub_doors *doors;
    _Atomic(char *) api_key;     /* NULL: there is none. Any thread may look; it may be another one later */
    _Atomic(char *) admin_token; /* likewise */
    /* Its own. */
    bool reread;
    struct config latest; /* once it was read again: what a running server has taken over is of that */
    const char **certs, **keys;
    struct secret {
        struct secret *next;
        char *text;
    } * old_secrets;
};

typedef void setup_tell(void *arg, const char *what);
typedef void setup_say(void *arg, bool good, const char *event, const char *detail);

/* Reads it all. 0; or a negative error with a line in `why`, before which each door that --production finds open was
 * told of. Either way setup_fini(). */
int setup_begin(struct setup *s, const struct options *given, setup_tell *tell, void *arg, char why[SETUP_WHY]);
void setup_fini(struct setup *s);

/* Where it was said, what this text of `options` or this field of `config` is, in front of what is said of it:
 * "FILE:LINE: ", "DUET_LISTEN: ", "--listen: "; "" where it was not, and for NULL. */
void setup_where(const struct setup *s, const void *of, char out[CONFIG_WHERE]);

/* How the hub is to be; borrowed from `s`. */
struct hub_config setup_hub(const struct setup *s);

/* What the backend is asked and told, and whether it is at all; borrowed likewise. */
struct hooks_config setup_hooks(const struct setup *s);
bool setup_has_hooks(const struct setup *s);

/* Tells of each door that is open to everybody, and what closes it. How many there are. */
unsigned setup_open_doors(const struct setup *s, setup_tell *tell, void *arg);

/* Takes over what a running server can of what was read again into `fresh`, which the caller frees. Says what is in
 * force now and what waits for a restart, as events of the log; or why nothing is (OPS-2), and returns the error. */
int setup_take_over(struct setup *s, struct setup *fresh, struct hub *hub, setup_say *say, void *arg);

#endif
