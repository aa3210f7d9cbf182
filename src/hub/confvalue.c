/* SPDX-License-Identifier: MIT */
#include "hub/confvalue.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/utf8.h"
#include <duet/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void *field(const struct confkey *key, void *base)
{
    return (char *)base + key->at;
}

static int no_memory(char why[CONFIG_WHY])
{
    snprintf(why, CONFIG_WHY, "out of memory");
    return DUET_ERR_NOMEM;
}

/* Numbers. */

/* The digits at the front; false: there are none, or too many. */
static bool digits(uint64_t *n, const char **at, const char *end)
{
    const char *begin = *at;
    *n = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(*n, UINT64_C(10), n) || __builtin_add_overflow(*n, (uint64_t)(**at - '0'), n))
            return false;
    return *at > begin;
}

struct unit {
    const char *name;
    uint64_t worth;
};

/* Which of them is at the front, moving behind it; the list ends with NULL. */
static const struct unit *unit(const struct unit *units, const char **at, const char *end)
{
    for (; units->name != NULL; units++) {
        size_t n = strlen(units->name);
        if ((size_t)(end - *at) >= n && memcmp(*at, units->name, n) == 0) {
            *at += n;
            return units;
        }
    }
    return NULL;
}

bool confvalue_duration(uint64_t *ms, const char *text, size_t len)
{
    static const struct unit units[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
                                         { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
    const char *at = text, *end = text + len;
    uint64_t n, worth = UINT64_MAX;
    *ms = 0;
    if (len == 1 && *text == '0')
        return true;
    while (at < end) {
        const struct unit *u = digits(&n, &at, end) ? unit(units, &at, end) : NULL;
        if (u == NULL || u->worth >= worth || __builtin_mul_overflow(n, u->worth, &n) ||
            __builtin_add_overflow(*ms, n, ms))
            return false;
        worth = u->worth;
    }
    return len > 0;
}

bool confvalue_size(uint64_t *bytes, const char *text, size_t len)
{
    static const struct unit units[] = { { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { NULL, 0 } };
    const char *at = text, *end = text + len;
    if (!digits(bytes, &at, end))
        return false;
    const struct unit *u = at < end ? unit(units, &at, end) : NULL;
    return at == end && (u == NULL || !__builtin_mul_overflow(*bytes, u->worth, bytes));
}

/* What is expected. */

static void put_duration(struct buf *b, uint64_t ms)
{
    if (ms % 86400000 == 0 && ms > 0)
        buf_printf(b, "%" PRIu64 "d", ms / 86400000);
    else if (ms % 60000 == 0 && ms > 0)
        buf_printf(b, "%" PRIu64 "m", ms / 60000);
    else if (ms % 1000 == 0 && ms > 0)
        buf_printf(b, "%" PRIu64 "s", ms / 1000);
    else
        buf_printf(b, ms ? "%" PRIu64 "ms" : "%" PRIu64, ms);
}

static void put_size(struct buf *b, uint64_t bytes)
{
    static const char *const units[] = { "", "KiB", "MiB", "GiB" };
    int i = 0;
    for (; i < 3 && bytes > 0 && bytes % 1024 == 0; i++)
        bytes /= 1024;
    buf_printf(b, "%" PRIu64 "%s", bytes, units[i]);
}

static void put_words(struct buf *b, const char *words)
{
    const char *last = strrchr(words, ' ');
    for (const char *p = words; *p != 0; p++)
        if (*p == ' ')
            buf_puts(b, p == last ? " or " : ", ");
        else
            buf_put(b, p, 1);
}

static void put_range(struct buf *b, const struct confkey *key, const char *what,
                      void (*put)(struct buf *b, uint64_t n))
{
    buf_printf(b, "%s from ", what);
    put(b, key->least);
    buf_puts(b, " to ");
    put(b, key->most);
}

static void put_number(struct buf *b, uint64_t n)
{
    buf_printf(b, "%" PRIu64, n);
}

static void put_expected(struct buf *b, const struct confkey *key)
{
    switch (key->kind) {
    case CONF_BOOL:
        buf_puts(b, "true or false");
        break;
    case CONF_COUNT:
        put_range(b, key, "a number", put_number);
        break;
    case CONF_SIZE:
        put_range(b, key, "a size in bytes, KiB, MiB or GiB", put_size);
        break;
    case CONF_DURATION:
        put_range(b, key, "a time such as 500ms, 25s, 10m, 1h30m or 7d,", put_duration);
        break;
    case CONF_CHOICE:
        put_words(b, key->words);
        break;
    case CONF_WORDS:
        buf_puts(b, "a list of ");
        put_words(b, key->words);
        break;
    case CONF_NAME:
        buf_puts(b, "a name of 2 to 64 letters, digits, - and _");
        break;
    case CONF_TEXT:
        buf_puts(b, "a text");
        break;
    case CONF_LIST:
        buf_puts(b, "a list of texts, such as [a, b]");
        break;
    default:
        buf_puts(b, key->kind == CONF_SECTION ? "keys and values, indented"
                                              : "a list of keys and values, each begun by -");
    }
}

int confvalue_expect(const struct confkey *key, char why[CONFIG_WHY])
{
    struct buf b;
    char text[CONFIG_WHY];
    buf_init(&b, text, sizeof(text));
    put_expected(&b, key);
    snprintf(why, CONFIG_WHY, "%.*s is expected", (int)b.len, b.at);
    buf_fini(&b);
    return DUET_ERR_INVALID;
}

/* Taking. */

static void store(const struct confkey *key, void *base, uint64_t n)
{
    if (key->size == 1)
        *(bool *)field(key, base) = n != 0;
    else if (key->size == 4)
        *(uint32_t *)field(key, base) = (uint32_t)n;
    else
        *(uint64_t *)field(key, base) = n;
}

static uint64_t load(const struct confkey *key, const void *base)
{
    const char *at = (const char *)base + key->at;
    return key->size == 1 ? *(const bool *)at : key->size == 4 ? *(const uint32_t *)at : *(const uint64_t *)at;
}

/* Which of the words it is, from 0; -1: none. */
static int which(const char *words, const char *text, size_t len)
{
    int i = 0;
    for (const char *at = words;; at += strcspn(at, " ") + 1, i++) {
        size_t n = strcspn(at, " ");
        if (n == len && memcmp(at, text, len) == 0)
            return i;
        if (at[n] == 0)
            return -1;
    }
}

/* One line of UTF-8. */
static bool is_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return len > 0 && utf8_valid(text, len);
}

static char *copy(const char *text, size_t len)
{
    char *s = mem_alloc(len + 1);
    if (s != NULL) {
        memcpy(s, text, len);
        s[len] = 0;
    }
    return s;
}

static int take_text(const struct confkey *key, void *base, const char *text, size_t len, char why[CONFIG_WHY])
{
    if (!is_text(text, len))
        return confvalue_expect(key, why);
    char *s = copy(text, len);
    if (s == NULL)
        return no_memory(why);
    confvalue_free(key, base);
    *(char **)field(key, base) = s;
    return 0;
}

static int take_name(const struct confkey *key, void *base, const char *text, size_t len, char why[CONFIG_WHY])
{
    char *name = field(key, base);
    for (size_t i = 0; i < len; i++)
        if (memchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", text[i], 64) == NULL)
            return confvalue_expect(key, why);
    if (len < HUB_NAMESPACE_LEAST || len >= key->size)
        return confvalue_expect(key, why);
    memcpy(name, text, len);
    name[len] = 0;
    return 0;
}

int confvalue_take(const struct confkey *key, void *base, const char *text, size_t len, char why[CONFIG_WHY])
{
    uint64_t n = 0;
    bool good;
    switch (key->kind) {
    case CONF_TEXT:
        return take_text(key, base, text, len, why);
    case CONF_NAME:
        return take_name(key, base, text, len, why);
    case CONF_BOOL:
        n = len == 4;
        good = (len == 4 && memcmp(text, "true", 4) == 0) || (len == 5 && memcmp(text, "false", 5) == 0);
        break;
    case CONF_CHOICE:
        n = (uint64_t)which(key->words, text, len);
        good = n != UINT64_MAX;
        break;
    case CONF_COUNT: {
        const char *at = text, *end = text + len;
        good = digits(&n, &at, end) && at == end && n >= key->least && n <= key->most;
        break;
    }
    case CONF_SIZE:
        good = confvalue_size(&n, text, len) && n >= key->least && n <= key->most;
        break;
    case CONF_DURATION:
        good = confvalue_duration(&n, text, len) && n >= key->least && n <= key->most;
        break;
    default:
        good = false;
    }
    if (!good)
        return confvalue_expect(key, why);
    store(key, base, n);
    return 0;
}

static size_t length(char **list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

int confvalue_clear(const struct confkey *key, void *base, char why[CONFIG_WHY])
{
    if (key->kind == CONF_WORDS) {
        store(key, base, 0);
        return 0;
    }
    confvalue_free(key, base);
    char **list = mem_zalloc(sizeof(*list));
    if (list == NULL)
        return no_memory(why);
    *(char ***)field(key, base) = list;
    return 0;
}

int confvalue_add(const struct confkey *key, void *base, const char *text, size_t len, char why[CONFIG_WHY])
{
    if (key->kind == CONF_WORDS) {
        int i = which(key->words, text, len);
        if (i < 0)
            return confvalue_expect(key, why);
        store(key, base, load(key, base) | UINT64_C(1) << i);
        return 0;
    }
    if (!is_text(text, len))
        return confvalue_expect(key, why);
    char ***list = field(key, base);
    size_t n = length(*list);
    char **grown = mem_realloc(*list, (n + 2) * sizeof(*grown));
    if (grown == NULL)
        return no_memory(why);
    *list = grown;
    grown[n] = copy(text, len);
    grown[n + 1] = NULL;
    return grown[n] ? 0 : no_memory(why);
}

const char *confvalue_text(const struct confkey *key, const void *base)
{
    const void *at = (const char *)base + key->at;
    if (key->kind == CONF_TEXT)
        return *(char *const *)at;
    size_t n = key->kind == CONF_LIST ? length(*(char **const *)at) : 0;
    return n > 0 ? (*(char **const *)at)[n - 1] : NULL;
}

void confvalue_free(const struct confkey *key, void *base)
{
    if (key->kind == CONF_LIST) {
        char ***list = field(key, base);
        for (size_t i = 0; *list != NULL && (*list)[i] != NULL; i++)
            mem_free((*list)[i]);
        mem_free(*list);
        *list = NULL;
    } else if (key->kind == CONF_TEXT) {
        char **text = field(key, base);
        mem_free(*text);
        *text = NULL;
    }
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool confvalue_equal(const struct confkey *key, const void *a, const void *b)
{
    const void *left = (const char *)a + key->at, *right = (const char *)b + key->at;
    if (key->kind == CONF_TEXT)
        return same(*(char *const *)left, *(char *const *)right);
    if (key->kind == CONF_NAME)
        return same(left, right);
    if (key->kind != CONF_LIST)
        return load(key, a) == load(key, b);
    char **p = *(char ***)left, **q = *(char ***)right;
    if (length(p) != length(q))
        return false;
    for (size_t i = length(p); i > 0; i--)
        if (!same(p[i - 1], q[i - 1]))
            return false;
    return true;
}

/* Names. */

const struct confkey *confkey_find(const struct confkey *keys, const char *name, size_t len)
{
    for (; keys->name != NULL; keys++)
        if (strlen(keys->name) == len && memcmp(keys->name, name, len) == 0)
            return keys;
    return NULL;
}

const struct confkey *confkey_nearest(const struct confkey *keys, const char *name, size_t len)
{
    struct near near = near_to(name, len);
    const struct confkey *best = NULL;
    for (; keys->name != NULL; keys++) {
        near_offer(&near, keys->name);
        if (near.name == keys->name)
            best = keys;
    }
    return best;
}
