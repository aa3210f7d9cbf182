/* SPDX-License-Identifier: MIT */
/*
 * What an operator may say of the whole server: one YAML file, the environment above it, and the command line above
 * both (whose options are the program's).
 *
 * A table (hub/confkeys.h) says what there is; the reader, the example and what is said of errors all come from it.
 * Unknown keys, wrong types and what cannot go together are refused with file, line and what is expected. Secrets are
 * in no field: a file or a variable of the environment has them.
 */
#ifndef HUB_CONFIG_H
#define HUB_CONFIG_H

#include "base/buf.h"
#include "hub/keyfile.h"
#include "hub/options.h"

enum { CONFIG_WHY = 300, CONFIG_WHERE = 140, CONFIG_MOST = 256 * 1024 };

enum config_log { CONFIG_LOG_AUTO, CONFIG_LOG_JSON, CONFIG_LOG_HUMAN };
enum config_engine { CONFIG_MEMORY, CONFIG_SQLITE };
enum config_durability { CONFIG_FSYNC, CONFIG_BATCH, CONFIG_MEMORY_ONLY };

struct config_tls {
    char *cert, *key;
};

/* Texts and lists are owned, the latter end with NULL; NULL: not said. */
struct config {
    char **listen, **origins, **trusted_proxies;
    char *root;
    bool pages; /* the built-in pages, and what they demonstrate */
    bool require_origin, proxy_protocol, deflate;
    uint32_t threads;
    enum config_log log;
    bool log_connections;
    uint64_t drain_ms;
    struct config_tls *tls;
    size_t tls_count;
    struct {
        enum config_engine engine;
        char *data;
        enum config_durability durability;
    } store;
    struct {
        char *listen, *token_file, *token_env;
    } admin;
    struct {
        char *listen, *key_file, *key_env;
    } api;
    struct {
        char *secret_file, *secret_env, *public_key_file, *jwks_file;
        char **algorithms;
        char *audience, *issuer;
        uint64_t leeway_ms;
        bool eternal;
    } tokens;
    struct {
        bool anonymous;
        uint64_t ping_ms, pong_ms, connect_ms, expired_ms;
        uint64_t queue_max;
    } clients;
    struct {
        char *connect, *refresh, *subscribe, *sub_refresh, *publish, *rpc, *send, *events;
        char **headers;
        uint64_t timeout_ms;
    } hooks;
    struct hub_limits limits;
    struct hub_options channels; /* those without a namespace */
    struct hub_options *spaces;
    size_t spaces_count;

    /* `channels` in front of `spaces`, as the hub takes them; their strings are those of the above. */
    struct hub_options *namespaces;
    size_t namespaces_count;
    struct conflines *lines;
    char *doubt; /* a variable that is none of these, but looks like one; NULL: there is no such */
};

/* The defaults. config_fini() afterwards, as after all below. */
void config_init(struct config *c);
void config_fini(struct config *c);

/* What the command line says of one key, all of it borrowed. */
struct config_word {
    const char *key;         /* "proxy_protocol", "store.data": of the whole, or in a section */
    const char *by;          /* "--data" */
    const char *text;        /* as the file would have it */
    const char *const *list; /* the texts of a list, which ends with NULL. Neither: what is below says nothing of it */
};

/* What goes before the file. */
struct config_above {
    char *const *env;                /* as `environ`; NULL: there is no environment */
    const struct config_word *words; /* before that, too; ends with a NULL key. NULL: there are none */
};

/* Fills `c` by config_init(), this text, and what is above it, and looks whether all of it goes together. 0; or a
 * negative error, and then a line of what is wrong in `why`: "FILE:LINE: KEY: what is expected". `file` is for that
 * line alone. NULL `above`: nothing is. A variable that begins like a section (DUET_TOKENS_) has to be a key. */
int config_parse(struct config *c, const char *file, const char *text, size_t len, const struct config_above *above,
                 char why[CONFIG_WHY]);
/* The same of a file; NULL: config_open(), the defaults and what is above. */
int config_read(struct config *c, const char *file, const struct config_above *above, char why[CONFIG_WHY]);

/* The line on which this field of `c`, or this text in one, was said; 0: it was not, or above the file. */
unsigned config_line(const struct config *c, const void *what);
/* Where it was said, in front of what is said of it: "FILE:LINE: ", "DUET_LISTEN: " or "--listen: ". False: nowhere,
 * and "". */
bool config_where(const struct config *c, const char *file, const void *what, char out[CONFIG_WHERE]);

/* Where the keys of tokens are. */
struct keyfile config_keys(const struct config *c);

/* Channels as `duet serve` has them without a file: open to everybody, with a little history. */
void config_open(struct hub_options *o);

/* The documented example, which is as open: every other key, with its default, behind a comment sign. */
void config_example(struct buf *b);

/* What holds in channels with these options, as a JSON object of the keys and values that the file has for them. */
void config_show(struct buf *b, const struct hub_options *o);

/* Tells of each key that differs between the two: its name ("tokens.issuer"), and whether a running server takes it
 * over. The namespaces and certificates count as one key each. */
void config_compare(const struct config *old, const struct config *fresh,
                    void (*differs)(void *arg, const char *key, bool live), void *arg);

#endif
