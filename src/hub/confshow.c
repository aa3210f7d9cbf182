/* SPDX-License-Identifier: MIT */
/* A channel's options as an operator reads them: by the same table that reads them from the file. */
#include "base/json.h"
#include "hub/confkeys.h"
#include <inttypes.h>
#include <string.h>

static const struct confkey *channel_keys(void)
{
    const struct confkey *k = confkeys;
    while (strcmp(k->name, "channels") != 0)
        k++;
    return k->inner;
}

static uint64_t number_at(const void *field, size_t size)
{
    uint64_t wide;
    uint32_t narrow;
    if (size == sizeof(bool))
        return *(const bool *)field;
    if (size == sizeof(narrow)) {
        memcpy(&narrow, field, sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, field, sizeof(wide));
    return wide;
}

/* In the largest unit that has no rest: "10m". */
static void put_duration(struct buf *b, uint64_t ms)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = { { 24 * 3600 * 1000, "d" }, { 3600 * 1000, "h" }, { 60 * 1000, "m" }, { 1000, "s" }, { 1, "ms" } };
    size_t i = 0;
    while (ms % units[i].ms != 0)
        i++;
    if (ms == 0)
        buf_puts(b, "\"0\"");
    else
        buf_printf(b, "\"%" PRIu64 "%s\"", ms / units[i].ms, units[i].name);
}

/* Word number `i` of "a b c". */
static void put_word(struct buf *b, const char *words, uint64_t i)
{
    for (; i > 0; i--)
        words = strchr(words, ' ') + 1;
    json_put_string(b, words, strcspn(words, " "));
}

static void put_words(struct buf *b, const char *words, uint64_t bits)
{
    bool more = false;
    buf_puts(b, "[");
    for (uint64_t i = 0; bits >> i != 0; i++)
        if (bits >> i & 1) {
            buf_puts(b, more ? "," : "");
            put_word(b, words, i);
            more = true;
        }
    buf_puts(b, "]");
}

static void put_value(struct buf *b, const struct confkey *k, const void *field)
{
    char *text;
    switch (k->kind) {
    case CONF_BOOL:
        buf_puts(b, number_at(field, k->size) ? "true" : "false");
        break;
    case CONF_DURATION:
        put_duration(b, number_at(field, k->size));
        break;
    case CONF_CHOICE:
        put_word(b, k->words, number_at(field, k->size));
        break;
    case CONF_WORDS:
        put_words(b, k->words, number_at(field, k->size));
        break;
    case CONF_TEXT:
        memcpy(&text, field, sizeof(text));
        if (text != NULL)
            json_put_string(b, text, strlen(text));
        else
            buf_puts(b, "null");
        break;
    default:
        buf_printf(b, "%" PRIu64, number_at(field, k->size));
    }
}

void config_show(struct buf *b, const struct hub_options *o)
{
    buf_puts(b, "{");
    for (const struct confkey *k = channel_keys(); k->name != NULL; k++) {
        buf_printf(b, "%s\"%s\":", k == channel_keys() ? "" : ",", k->name);
        put_value(b, k, (const char *)o + k->at);
    }
    buf_puts(b, "}");
}
