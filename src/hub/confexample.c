/* SPDX-License-Identifier: MIT */
#include "hub/config.h"
#include "hub/confkeys.h"
#include "hub/confvalue.h"
#include <string.h>

/* What is in force without a file, and in the example, for all channels without a namespace. */
static const struct {
    const char *name, *value;
} open_doors[] = {
    { "history_size", "100" },
    { "history_ttl", "10m" },
    { "allow_recovery", "true" },
    { "allow_positioning", "true" },
    { "presence", "true" },
    { "join_leave", "true" },
    { "allow_subscribe_for_client", "true" },
    { "allow_subscribe_for_anonymous", "true" },
    { "allow_publish_for_client", "true" },
    { "allow_publish_for_anonymous", "true" },
    { "allow_history_for_client", "true" },
    { "allow_history_for_anonymous", "true" },
    { "allow_presence_for_client", "true" },
    { "allow_presence_for_anonymous", "true" },
    { "message_max", "1MiB" },
};

enum { OPEN_DOORS = sizeof(open_doors) / sizeof(*open_doors) };

static const char *open_value(const char *name)
{
    for (size_t i = 0; i < OPEN_DOORS; i++)
        if (strcmp(open_doors[i].name, name) == 0)
            return open_doors[i].value;
    return NULL;
}

static const struct confkey *channel_keys(void)
{
    return confkey_find(confkeys, "channels", strlen("channels"))->inner;
}

void config_open(struct hub_options *o)
{
    char why[CONFIG_WHY];
    hub_options_default(o);
    for (size_t i = 0; i < OPEN_DOORS; i++) {
        const char *name = open_doors[i].name, *value = open_doors[i].value;
        confvalue_take(confkey_find(channel_keys(), name, strlen(name)), o, value, strlen(value), why);
    }
}

static void put_value(struct buf *b, const struct confkey *key, bool of_channels, int indent)
{
    const char *open = of_channels ? open_value(key->name) : NULL;
    if (open != NULL)
        buf_printf(b, "%*s%s: %s\n", indent, "", key->name, open);
    else
        buf_printf(b, "%*s# %s: %s\n", indent, "", key->name, key->shown);
}

static void put_comment(struct buf *b, int indent, const char *text)
{
    buf_printf(b, "%*s# %s\n", indent, "", text);
}

static void put_keys(struct buf *b, const struct confkey *keys, int indent);

/* A section, or the beginning of a list of them. */
static void put_section(struct buf *b, const struct confkey *key, int indent)
{
    buf_puts(b, "\n");
    put_comment(b, indent, key->what);
    buf_printf(b, "%*s%s:\n", indent, "", key->name);
    if (key->kind == CONF_SECTION)
        put_keys(b, key->inner, indent + 2);
    else
        for (const struct confkey *k = key->inner; k->name != NULL && k < key->inner + 3; k++)
            buf_printf(b, "%*s# %s %s: %s\n", indent + 2, "", k == key->inner ? "-" : " ", k->name, k->shown);
}

static void put_keys(struct buf *b, const struct confkey *keys, int indent)
{
    bool of_channels = keys == channel_keys();
    for (; keys->name != NULL; keys++) {
        if (keys->kind == CONF_SECTION || keys->kind == CONF_SECTIONS) {
            put_section(b, keys, indent);
            continue;
        }
        put_comment(b, indent, keys->what);
        put_value(b, keys, of_channels, indent);
    }
}

void config_example(struct buf *b)
{
    buf_puts(
        b, "# What `duet serve --config FILE` reads; duet-serve(1) has the rest. Values behind a comment sign are the\n"
           "# defaults, or show what may be written there. To begin with, channels are open to everybody: `duet serve\n"
           "# --production` names what is open, and refuses. `--check` looks whether all is well. Variables of the\n"
           "# environment go before this file (DUET_THREADS, DUET_TOKENS_ISSUER), options before those.\n\n");
    put_keys(b, confkeys, 0);
}
