/* SPDX-License-Identifier: MIT */
/*
 * A line is put together from whole tokens: a field's opening, a character or its escape, a number. A token that does
 * not fit ends the line there. Room for the longest end ("..." and the closing quote, brace and newline) is set aside
 * from the start, so that a line cut anywhere is as valid as a whole one.
 */
#include "base/hex.h"
#include "base/utf8.h"
#include <duet/log.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LEAST = 256, END = 3 + 3 + 1 };

struct line {
    char *at, *end; /* `end` leaves END bytes */
    bool json, full;
};

static void put(struct line *l, const char *token, size_t len)
{
    if (l->full || l->end - l->at < (ptrdiff_t)len) {
        l->full = true;
        return;
    }
    memcpy(l->at, token, len);
    l->at += len;
}

/* Into the room that was set aside. */
static void put_end(struct line *l, const char *end)
{
    size_t len = strlen(end);
    memcpy(l->at, end, len);
    l->at += len;
}

/* What could end a line, drive a terminal, or make a line read otherwise than it is: control characters of both sets,
 * line separators, and the marks that turn the direction of writing. */
static bool must_be_escaped(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x200B && point <= 0x200F) ||
           (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069) || point == 0xFEFF;
}

/* One character, escaped where it has to be; the bytes of `s` it took. */
static size_t put_character(struct line *l, const char *s)
{
    char escape[8];
    uint32_t point = 0;
    size_t len = utf8_character(s, strnlen(s, UTF8_MOST), &point);
    if (len == 0 && !l->json)
        put(l, escape, (size_t)snprintf(escape, sizeof(escape), "\\x%02x", (unsigned)(uint8_t)*s));
    else if (len == 0) /* JSON has no escape for a byte that is no character */
        put(l, "\\ufffd", 6);
    else if (must_be_escaped(point))
        put(l, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)point & 0xFFFF));
    else if (point == '"' || point == '\\')
        put(l, (const char[]){ '\\', *s }, 2);
    else
        put(l, s, len);
    return len ? len : 1;
}

/* If a query key whose value is a secret stands at `s`: its length with the "=". It counts as the server will read it,
 * so "%74oken" is "token". */
static size_t secret_key(const char *s)
{
    static const char *const secrets[] = { "token", "access_token", "auth", "key", "ticket" };
    char name[16];
    size_t len = 0, i = 0;
    for (; s[i] != '=' && s[i] != '\0' && len < sizeof(name) - 1; len++) {
        if (s[i] == '%' && hex_pair(s + i + 1) >= 0) {
            name[len] = (char)hex_pair(s + i + 1);
            i += 3;
        } else {
            name[len] = s[i++];
        }
    }
    name[len] = '\0';
    for (size_t j = 0; s[i] == '=' && j < sizeof(secrets) / sizeof(*secrets); j++)
        if (strcasecmp(name, secrets[j]) == 0)
            return i + 1;
    return 0;
}

/* `ends`: what ends a secret. In a target nothing but "&" does, or half of an odd secret would get through. */
static void put_text(struct line *l, const char *s, const char *ends)
{
    for (bool key_begins = false; *s != '\0' && !l->full;) {
        size_t key = key_begins ? secret_key(s) : 0;
        for (const char *to = s + key; s < to;)
            s += put_character(l, s);
        if (key > 0) {
            put(l, "***", 3);
            s += strcspn(s, ends);
            key_begins = false;
            continue;
        }
        key_begins = strchr("?&;#", *s) != NULL;
        s += put_character(l, s);
    }
}

static bool is_bare_word(const char *s)
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.,:/[]@~%";
    return *s != '\0' && s[strspn(s, fine)] == '\0';
}

static void put_string(struct line *l, const char *name, const char *value, const char *ends)
{
    if (value == NULL)
        return;
    char opening[32];
    bool quoted = l->json || !is_bare_word(value);
    const char *form = l->json ? ",\"%s\":\"" : name[0] == '\0' ? " %s" : " %s=";
    int len = snprintf(opening, sizeof(opening) - 1, form, name);
    if (quoted && !l->json)
        opening[len++] = '"';
    put(l, opening, (size_t)len);
    if (l->full)
        return;
    put_text(l, value, ends);
    if (l->full)
        put_end(l, "...");
    if (quoted)
        put_end(l, "\"");
}

static void put_number(struct line *l, const char *name, bool negative, uint64_t value)
{
    if (value == 0)
        return;
    char field[64];
    const char *form = l->json ? ",\"%s\":%s%" PRIu64 : " %s=%s%" PRIu64;
    put(l, field, (size_t)snprintf(field, sizeof(field), form, name, negative ? "-" : "", value));
}

/* "2026-11-24T16:51:54.123Z". Days are counted from 0000-03-01, which puts the leap day at a year's end and makes 400
 * years one round of 146097 days. */
static void put_time(struct line *l, uint64_t time_ms)
{
    const uint64_t last = 253402300799999; /* of the year 9999 */
    if (time_ms > last)
        time_ms = last;
    uint32_t ms = (uint32_t)(time_ms % 86400000), day = (uint32_t)(time_ms / 86400000) + 719468;
    uint32_t round = day / 146097, in_round = day % 146097;
    uint32_t year = (in_round - in_round / 1460 + in_round / 36524 - in_round / 146096) / 365;
    uint32_t in_year = in_round - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * in_year + 2) / 153; /* from March: 153 days in each five months */
    uint32_t in_month = in_year - (153 * month + 2) / 5;
    month = month < 10 ? month + 3 : month - 9;
    year += 400 * round + (month <= 2);
    char text[64];
    put(l, text,
        (size_t)snprintf(text, sizeof(text), "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month, in_month + 1,
                         ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000));
}

size_t duet_log_line(char *out, size_t cap, duet_log_format format, uint64_t time_ms, const duet_log_event *event)
{
    static const char *const levels[] = { "info", "warning", "error" };
    if (cap < LEAST) {
        if (cap > 0)
            out[0] = '\0';
        return 0;
    }
    struct line l = { .at = out, .end = out + cap - END, .json = format == DUET_LOG_JSON };
    const char *level = levels[event->level <= DUET_LOG_ERROR ? event->level : DUET_LOG_ERROR];
    const char *words = "&# \t\r\n\"'", *target = "&";
    if (l.json)
        put(&l, "{\"time\":\"", 9);
    put_time(&l, time_ms);
    if (l.json)
        put(&l, "\"", 1);
    put_string(&l, l.json ? "level" : "", level, words);
    put_string(&l, l.json ? "event" : "", event->event, words);
    put_string(&l, "reason", event->reason, words);
    put_string(&l, "peer", event->peer, words);
    /* Numbers come before what a peer can make long. */
    put_number(&l, "conn", false, event->conn);
    put_number(&l, "code", event->code < 0, (uint64_t)(event->code < 0 ? -(int64_t)event->code : event->code));
    put_number(&l, "bytes_in", false, event->bytes_in);
    put_number(&l, "bytes_out", false, event->bytes_out);
    put_number(&l, "age_ms", false, event->age_ms);
    put_number(&l, "messages_in", false, event->messages_in);
    put_number(&l, "messages_out", false, event->messages_out);
    put_number(&l, "suppressed", false, event->suppressed);
    put_string(&l, "way", event->way, words);
    put_string(&l, "user", event->user, words);
    put_string(&l, "channel", event->channel, words);
    put_string(&l, "target", event->target, target);
    put_string(&l, "detail", event->detail, words);
    put_end(&l, l.json ? "}\n" : "\n");
    *l.at = '\0';
    return (size_t)(l.at - out);
}
