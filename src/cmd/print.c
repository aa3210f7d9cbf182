/* SPDX-License-Identifier: MIT */
#include "cmd/print.h"
#include "base/jsonwalk.h"
#include "cmd/help.h"
#include "cmd/show.h"
#include <stdint.h>
#include <time.h>
#include <unistd.h>

struct look {
    bool terminal, colour;
    bool first; /* nothing of the message is printed yet */
};

static const char *colour_of(enum json_kind kind)
{
    switch (kind) {
    case JSON_NAME:
        return "\x1b[36m";
    case JSON_STRING:
        return "\x1b[32m";
    case JSON_NUMBER:
        return "\x1b[33m";
    case JSON_WORD:
        return "\x1b[35m";
    default:
        return NULL;
    }
}

/* On a terminal elements stand below each other; else a message stays one line. */
static void put_token(void *arg, const struct json_token *t)
{
    struct look *look = arg;
    const char *colour = look->colour ? colour_of(t->kind) : NULL;
    if (look->terminal && t->begins && !look->first)
        fprintf(stdout, "\n%*s", 2 * (int)t->depth, "");
    look->first = false;
    if (colour != NULL)
        fputs(colour, stdout);
    if (look->terminal)
        show_safe(stdout, t->text, t->len);
    else
        fwrite(t->text, 1, t->len, stdout);
    if (colour != NULL)
        fputs("\x1b[0m", stdout);
    if (look->terminal && t->kind == JSON_COLON)
        putchar(' ');
}

void print_time(FILE *to, bool terminal)
{
    struct timespec now;
    struct tm tm;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    if (terminal)
        localtime_r(&now.tv_sec, &tm);
    else
        gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof(text), terminal ? "%H:%M:%S" : "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(to, "%s.%03ld%s ", text, now.tv_nsec / 1000000, terminal ? "" : "Z");
}

static void put_framed(const duet_msg *m)
{
    const uint8_t length[4] = { (uint8_t)(m->len >> 24), (uint8_t)(m->len >> 16), (uint8_t)(m->len >> 8),
                                (uint8_t)m->len };
    fwrite(length, 1, sizeof(length), stdout);
    if (m->len > 0)
        fwrite(m->data, 1, m->len, stdout);
}

static void put_body(const struct args *a, const duet_msg *m, struct look *look)
{
    if (a->hex)
        show_hex(stdout, m->data, m->len);
    else if (a->json && json_walk(m->data, m->len, NULL, NULL))
        json_walk(m->data, m->len, put_token, look);
    else if (look->terminal && !a->raw)
        show_safe(stdout, m->data, m->len);
    else if (m->len > 0)
        fwrite(m->data, 1, m->len, stdout);
}

void print_message(const struct args *a, const duet_msg *m, bool marked)
{
    struct look look = { .terminal = isatty(STDOUT_FILENO) != 0, .colour = help_begin(stdout).colour, .first = true };
    if (a->framed) {
        put_framed(m);
        return;
    }
    if (a->timestamps)
        print_time(stdout, look.terminal);
    if (marked)
        fputs(look.colour ? "\x1b[32m<\x1b[0m " : "< ", stdout);
    put_body(a, m, &look);
    if (a->null)
        putchar(0);
    else if (look.terminal || !a->binary)
        putchar('\n');
}
