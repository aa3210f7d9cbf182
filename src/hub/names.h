/* SPDX-License-Identifier: MIT */
/*
 * Names of channels: whether one is good, what it says of itself, and whose options it has.
 *
 *     $chat:room#ann,bob      private, of namespace "chat", for the users "ann" and "bob"
 *      `--' `--' `-----'
 *     namespace, rest, users
 *
 * The namespace ends at the first ':'; without one the options are those of the namespace "". The users begin behind
 * the last '#'; whether that counts is up to the namespace's allow_user_limited_channels. A name is up to 255 bytes of
 * UTF-8 without control characters, and something must be left of it behind "$" and the namespace. It is never a path,
 * nor a part of one (STO-11): "../x" is a name like any other.
 */
#ifndef HUB_NAMES_H
#define HUB_NAMES_H

#include "hub/codes.h"
#include "hub/options.h"

struct hub_name {
    const char *text; /* borrowed from who asked; so the rest */
    size_t len;
    bool is_private;
    const char *space; /* without "$" and ":"; "" when there is no ':' */
    size_t space_len;
    bool has_space;   /* there is a ':' */
    const char *rest; /* what is behind the namespace, users included */
    size_t rest_len;
    const char *users; /* behind the last '#'; NULL: there is none */
    size_t users_len;
};

/* The namespaces there are, each with its channel_regex made ready. Not changed once made: any thread. */
struct hub_names;

/* `options` are borrowed until hub_names_free(). 0; or a negative error, and then one line of what is wrong in `why`:
 * a regular expression that is none, two namespaces of one name, a name that is none. */
enum { HUB_NAMES_WHY = 200 };
int hub_names_new(struct hub_names **out, const struct hub_options *options, size_t count, uint32_t name_max,
                  char why[HUB_NAMES_WHY]);
void hub_names_free(struct hub_names *names);

/* Whether this may be the name of a namespace: 2 to 64 of A-Z a-z 0-9 - _. */
bool hub_namespace_name(const char *name, size_t len);

/*
 * Judges a name. HUB_OK, `name` and `options` (borrowed from hub_names_new()) are then filled in; HUB_ERROR_BAD_REQUEST
 * for what is no name, or not one that the namespace's channel_regex wants; HUB_ERROR_UNKNOWN_CHANNEL when there is no
 * such namespace.
 */
int hub_name_judge(const struct hub_names *names, const char *text, size_t len, struct hub_name *name,
                   const struct hub_options **options);

/* Whether the user is one of those behind '#'. The user without a name never is. */
bool hub_name_lists(const struct hub_name *name, const char *user, size_t len);

#endif
