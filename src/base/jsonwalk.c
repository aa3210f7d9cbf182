/* SPDX-License-Identifier: MIT */
#include "base/jsonwalk.h"
#include "base/hex.h"
#include "base/utf8.h"
#include <stdint.h>
#include <string.h>

/* What may come next. FIRST_*: or the end of what was just opened. */
enum next { VALUE, FIRST_VALUE, NAME, FIRST_NAME, COLON, AFTER };

struct walk {
    const char *at, *end;
    void (*token)(void *arg, const struct json_token *t);
    void *arg;
    enum next next;
    unsigned depth;
    bool in_object[JSON_DEPTH_MOST];
};

static void tell(const struct walk *w, enum json_kind kind, size_t len, unsigned depth, bool begins)
{
    struct json_token t = { kind, w->at, len, depth, begins };
    if (w->token)
        w->token(w->arg, &t);
}

static bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static const char *skip_digits(const char *at, const char *end)
{
    while (is_digit(at, end))
        at++;
    return at;
}

/* Each returns the token's length; 0: it is none. */

static size_t number(const char *begin, const char *end)
{
    const char *at = begin + (*begin == '-');
    if (!is_digit(at, end))
        return 0;
    at = *at == '0' ? at + 1 : skip_digits(at, end);
    if (at < end && *at == '.') {
        if (!is_digit(++at, end))
            return 0;
        at = skip_digits(at, end);
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        if (!is_digit(at, end))
            return 0;
        at = skip_digits(at, end);
    }
    return (size_t)(at - begin);
}

static bool is_hex(const char *at, const char *end)
{
    return end - at >= 4 && hex_pair(at) >= 0 && hex_pair(at + 2) >= 0;
}

static size_t string(const char *begin, const char *end)
{
    for (const char *at = begin + 1; at < end && (uint8_t)*at >= 0x20; at++) {
        if (*at == '"')
            return (size_t)(at + 1 - begin);
        if (*at != '\\')
            continue;
        if (++at == end || *at == 0 || strchr("\"\\/bfnrtu", *at) == NULL)
            return 0;
        if (*at == 'u' && !is_hex(at + 1, end))
            return 0;
    }
    return 0;
}

static size_t word(const char *begin, const char *end)
{
    static const char *const words[] = { "true", "false", "null" };
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(end - begin) >= len && memcmp(begin, words[i], len) == 0)
            return len;
    }
    return 0;
}

static bool opened(struct walk *w, bool begins)
{
    if (w->depth == JSON_DEPTH_MOST)
        return false;
    tell(w, JSON_OPEN, 1, w->depth, begins);
    bool object = *w->at++ == '{';
    w->in_object[w->depth++] = object;
    w->next = object ? FIRST_NAME : FIRST_VALUE;
    return true;
}

static bool closed(struct walk *w, bool empty)
{
    if (w->depth == 0 || *w->at != (w->in_object[w->depth - 1] ? '}' : ']'))
        return false;
    w->depth--;
    tell(w, JSON_CLOSE, 1, w->depth, !empty);
    w->at++;
    w->next = AFTER;
    return true;
}

static bool take(struct walk *w, enum json_kind kind, size_t len, bool begins, enum next next)
{
    if (len == 0)
        return false;
    tell(w, kind, len, w->depth, begins);
    w->at += len;
    w->next = next;
    return true;
}

static bool name(struct walk *w)
{
    return *w->at == '"' && take(w, JSON_NAME, string(w->at, w->end), true, COLON);
}

static bool value(struct walk *w)
{
    bool begins = w->depth > 0 && !w->in_object[w->depth - 1];
    switch (*w->at) {
    case '{':
    case '[':
        return opened(w, begins);
    case '"':
        return take(w, JSON_STRING, string(w->at, w->end), begins, AFTER);
    case 't':
    case 'f':
    case 'n':
        return take(w, JSON_WORD, word(w->at, w->end), begins, AFTER);
    default:
        return take(w, JSON_NUMBER, number(w->at, w->end), begins, AFTER);
    }
}

static bool step(struct walk *w)
{
    bool is_end = *w->at == '}' || *w->at == ']';
    switch (w->next) {
    case FIRST_VALUE:
        return is_end ? closed(w, true) : value(w);
    case VALUE:
        return value(w);
    case FIRST_NAME:
        if (is_end)
            return closed(w, true);
        return name(w);
    case NAME:
        return name(w);
    case COLON:
        if (*w->at != ':')
            return false;
        return take(w, JSON_COLON, 1, false, VALUE);
    default:
        if (is_end)
            return closed(w, false);
        if (w->depth == 0 || *w->at != ',')
            return false;
        return take(w, JSON_COMMA, 1, false, w->in_object[w->depth - 1] ? NAME : VALUE);
    }
}

bool json_walk(const char *text, size_t len, void (*token)(void *arg, const struct json_token *t), void *arg)
{
    struct walk w = { .at = text, .end = text + len, .token = token, .arg = arg };
    if (!utf8_valid(text, len))
        return false;
    for (;;) {
        while (w.at < w.end && (*w.at == ' ' || *w.at == '\t' || *w.at == '\n' || *w.at == '\r'))
            w.at++;
        if (w.at == w.end)
            return w.next == AFTER && w.depth == 0;
        if (!step(&w))
            return false;
    }
}
