/* SPDX-License-Identifier: MIT */
/* Tokens that the ways in take: signed with SIGNED_SECRET. */
#ifndef TESTS_DOORS_H
#define TESTS_DOORS_H

#include "signed.h"
#include "ways.h"

static struct hub_doors *doors;

/* A token of this payload; good for the next use of the function. */
static inline const char *token(const char *payload)
{
    static char text[2000];
    signed_with(text, SIGNED_SECRET, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload);
    return text;
}

/* Behind ways_serve(). `eternal`: a token needs no exp. */
static inline void doors_open(bool eternal)
{
    struct config config;
    char why[HUB_KEYS_WHY];
    config_init(&config);
    setenv("WAYS_SECRET", SIGNED_SECRET, 1);
    config.tokens.secret_env = strdup("WAYS_SECRET");
    config.tokens.eternal = eternal;
    assert_int_equal(hub_doors_new(&doors), 0);
    assert_int_equal(hub_doors_set(doors, &config, why), 0);
    config_fini(&config);
    ways.site.doors = doors;
}

/* Behind ways_stop(). */
static inline void doors_shut(void)
{
    hub_doors_free(doors);
    ways.site.doors = NULL;
    ways.site.needs_token = false;
}

#endif
