/* SPDX-License-Identifier: MIT */
#include "base/jsonread.h"
#include "base/hex.h"
#include "base/jsonwalk.h"
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct depth {
    unsigned most, seen;
};

static void look(void *arg, const struct json_token *t)
{
    struct depth *d = arg;
    if (t->kind == JSON_OPEN && t->depth >= d->seen)
        d->seen = t->depth + 1;
}

bool json_check(const char *text, size_t len, unsigned depth, struct json_slice *value)
{
    struct depth d = { .most = depth };
    if (!json_walk(text, len, look, &d) || d.seen > d.most)
        return false;
    for (; is_space(*text); text++)
        len--;
    while (is_space(text[len - 1]))
        len--;
    *value = (struct json_slice){ text, len };
    return true;
}

char json_kind_of(struct json_slice value)
{
    char c = value.text[0];
    return c == '-' || (c >= '0' && c <= '9') ? '0' : c;
}

struct json_each json_each(struct json_slice value)
{
    char c = json_kind_of(value);
    return (struct json_each){ .at = c == '{' || c == '[' ? value.text + 1 : NULL, .named = c == '{' };
}

/* The text is checked, and what is skipped lies in an array or object: so there is always a byte behind. */

static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

static const char *skip_nest(const char *at)
{
    unsigned depth = 0;
    do {
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at = *at == '"' ? skip_string(at) : at + 1;
    } while (depth > 0);
    return at;
}

static const char *skip_value(const char *at)
{
    if (*at == '"')
        return skip_string(at);
    if (*at == '{' || *at == '[')
        return skip_nest(at);
    while (*at != ',' && *at != '}' && *at != ']' && !is_space(*at))
        at++;
    return at;
}

static struct json_slice take(struct json_each *each, char separator)
{
    while (*each->at == separator || is_space(*each->at))
        each->at++;
    const char *begin = each->at;
    each->at = *begin == '}' || *begin == ']' ? begin : skip_value(begin);
    return (struct json_slice){ begin, (size_t)(each->at - begin) };
}

bool json_next(struct json_each *each, struct json_slice *name, struct json_slice *value)
{
    if (each->at == NULL)
        return false;
    struct json_slice first = take(each, ',');
    if (first.len == 0) {
        each->at = NULL;
        return false;
    }
    *name = each->named ? first : (struct json_slice){ first.text, 0 };
    *value = each->named ? take(each, ':') : first;
    return true;
}

/* The four digits of a \u; they are there. */
static uint32_t unit(const char *digits)
{
    return (uint32_t)hex_pair(digits) << 8 | (uint32_t)hex_pair(digits + 2);
}

static size_t put_character(char *out, uint32_t point)
{
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(n == 1 ? point : lead[n] | point);
    return n;
}

/* What stands behind a backslash at `at`: moves behind it. The number of bytes, or 0 for half a pair. */
static size_t put_escaped(char *out, const char **at)
{
    static const char names[] = "bfnrt", bytes[] = "\b\f\n\r\t";
    char c = *(*at)++;
    const char *short_one = strchr(names, c);
    if (c != 'u') {
        *out = short_one ? bytes[short_one - names] : c;
        return 1;
    }
    uint32_t point = unit(*at);
    *at += 4;
    if (point >= 0xdc00 && point < 0xe000)
        return 0;
    if (point >= 0xd800 && point < 0xdc00) {
        uint32_t low = (*at)[0] == '\\' && (*at)[1] == 'u' ? unit(*at + 2) : 0;
        if (low < 0xdc00 || low >= 0xe000)
            return 0;
        *at += 6;
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    return put_character(out, point);
}

long json_unquote(char *out, struct json_slice string)
{
    const char *at = string.text + 1;
    size_t len = 0;
    while (*at != '"') {
        size_t n = 1;
        if (*at != '\\')
            out[len] = *at++;
        else {
            at++;
            n = put_escaped(out + len, &at);
        }
        if (n == 0)
            return -1;
        len += n;
    }
    return (long)len;
}

bool json_is(struct json_slice string, const char *word)
{
    char bytes[200];
    size_t len = strlen(word), most = 6 * len + 2; /* each character as \u0000, and the quotes */
    assert(most <= sizeof(bytes));
    if (string.len > most)
        return false;
    return json_unquote(bytes, string) == (long)len && memcmp(bytes, word, len) == 0;
}

bool json_number(struct json_slice number, double *out)
{
    char text[64];
    if (number.len >= sizeof(text))
        return false;
    memcpy(text, number.text, number.len);
    text[number.len] = 0;
    *out = strtod(text, NULL);
    return isfinite(*out);
}
