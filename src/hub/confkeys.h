/* SPDX-License-Identifier: MIT */
/* The table of all keys of the configuration. */
#ifndef HUB_CONFKEYS_H
#define HUB_CONFKEYS_H

#include "hub/config.h"

enum confkind {
    CONF_BOOL,
    CONF_COUNT,    /* uint32_t or uint64_t, from `least` to `most` */
    CONF_SIZE,     /* the same, in bytes: 64KiB */
    CONF_DURATION, /* uint64_t, in milliseconds: 10m, 1h30m */
    CONF_TEXT,     /* char * */
    CONF_LIST,     /* char **, ends with NULL; one text is a list of one */
    CONF_CHOICE,   /* which of `words`: an enum, or a bool of two */
    CONF_WORDS,    /* a list of `words`: a bit for each in an unsigned; or a bool of one */
    CONF_NAME,     /* char[]: a namespace's */
    CONF_SECTION,  /* a struct with keys of its own, `inner` */
    CONF_SECTIONS  /* a list of such: a pointer, and behind it, as size_t, how many */
};

struct confkey {
    const char *name; /* NULL: the table's end */
    enum confkind kind;
    size_t at, size; /* of the field; CONF_SECTIONS: of one element */
    uint64_t least, most;
    const char *words; /* "stream cache" */
    const struct confkey *inner;
    void (*init)(void *element); /* of CONF_SECTIONS; NULL: zeroes */
    bool live;                   /* a running server can take it over */
    const char *shown;           /* the value in the example; with `fallback` it is the default */
    bool fallback;
    const char *what; /* the comment in the example */
};

extern const struct confkey confkeys[];

#endif
