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
    struct options options; /* what holds; strings are the arguments' or the configuration's */
    struct config config;   /* what the file and the environment say; the options above go before it */
    struct hub_doors *doors;
    _Atomic(char *) api_key;     /* NULL: there is none. Any thread may look; it may be another one later */
    _Atomic(char *) admin_token; /* likewise */
    /* Its own. */
    struct options given; /* the command line alone */
    const char **certs, **keys;
    struct secret {
        struct secret *next;
        char *text;
    } * old_secrets;
};

/* Reads it all. 0; or the exit code, and then all is said. 0 with `options.help`: nothing else is there. Either way
 * setup_fini(). */
int setup_begin(struct setup *s, int argc, char **argv);
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
unsigned setup_open_doors(const struct setup *s, void (*tell)(void *arg, const char *what), void *arg);

/* Reads the file again, and takes over what a running server can. Tells what it did, as events of the log: what is
 * wrong with the file, and then nothing has changed; or what is in force now and what waits for a restart (OPS-2). */
void setup_reload(struct setup *s, struct hub *hub,
                  void (*say)(void *arg, bool good, const char *event, const char *detail), void *arg);

#endif
