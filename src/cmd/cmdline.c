/* SPDX-License-Identifier: MIT */
#include "cmd/cmdline.h"
#include "base/mem.h"
#include "base/near.h"
#include "cmd/help.h"
#include <duet/error.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int cmdline_wrong(char why[CMDLINE_WHY], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, CMDLINE_WHY, format, args);
    va_end(args);
    return DUET_ERR_INVALID;
}

static const struct cmdline_option *find_in(const struct cmdline_option *o, const char *name, size_t len)
{
    for (; o != NULL && o->name != NULL; o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

/* Digits only: strtol() would take spaces and signs, too. */
static int take_number(long *to, const struct cmdline_option *o, const char *value, char *why)
{
    char *end;
    errno = 0;
    long n = value[0] >= '0' && value[0] <= '9' ? strtol(value, &end, 10) : -1;
    if (n < o->least || n > o->most || errno != 0 || *end != 0)
        return cmdline_wrong(why, "%s takes a number from %ld to %ld, not `%.60s`", o->name, o->least, o->most, value);
    *to = n;
    return 0;
}

static int take_seconds(long *to, const struct cmdline_option *o, const char *value, char *why)
{
    char *end = (char *)value;
    double s = value[0] >= '0' && value[0] <= '9' ? strtod(value, &end) : -1;
    if (s < (double)o->least || s > (double)o->most || *end != 0 || strspn(value, "0123456789.") != strlen(value))
        return cmdline_wrong(why, "%s takes seconds from %ld to %ld, not `%.60s`", o->name, o->least, o->most, value);
    *to = (long)(s * 1000 + 0.5);
    return 0;
}

/* "json human" as "json or human", more words with commas. */
static void spell_choices(char out[CMDLINE_WHY], const char *choices)
{
    const char *last = strrchr(choices, ' ');
    size_t n = 0;
    for (const char *p = choices; *p != 0 && n < CMDLINE_WHY - 5; p++) {
        if (*p != ' ')
            out[n++] = *p;
        else
            n = (size_t)(stpcpy(out + n, p == last ? " or " : ", ") - out);
    }
    out[n] = 0;
}

static int take_choice(int *to, const struct cmdline_option *o, const char *value, char *why)
{
    size_t len = strlen(value);
    int number = 1;
    for (const char *word = o->choices; *word != 0; number++) {
        size_t word_len = strcspn(word, " ");
        if (word_len == len && memcmp(word, value, len) == 0) {
            *to = number;
            return 0;
        }
        word += word_len + strspn(word + word_len, " ");
    }
    char spelled[CMDLINE_WHY];
    spell_choices(spelled, o->choices);
    return cmdline_wrong(why, "%s takes %.100s, not `%.60s`", o->name, spelled, value);
}

static void append(const char **list, const char *value)
{
    while (*list != NULL)
        list++;
    *list = value;
}

static int take(const struct cmdline_option *o, void *at, const char *value, char *why)
{
    switch (o->kind) {
    case CMDLINE_FLAG:
        *(bool *)at = true;
        return 0;
    case CMDLINE_TEXT:
        *(const char **)at = value;
        return 0;
    case CMDLINE_LIST:
        append(*(const char ***)at, value);
        return 0;
    case CMDLINE_NUMBER:
        return take_number(at, o, value, why);
    case CMDLINE_SECONDS:
        return take_seconds(at, o, value, why);
    case CMDLINE_CHOICE:
        return take_choice(at, o, value, why);
    }
    return DUET_ERR_INVALID;
}

static void *field(const struct cmdline_option *o, void *in)
{
    return (char *)in + o->at;
}

/* Each list has room for all arguments. */
static bool allocate(const struct cmdline_option *o, void *in, size_t most)
{
    bool good = true;
    for (; o != NULL && o->name != NULL; o++)
        if (o->kind == CMDLINE_LIST)
            good = (*(const char ***)field(o, in) = mem_zalloc(most * sizeof(char *))) != NULL && good;
    return good;
}

static void release(const struct cmdline_option *o, void *in)
{
    for (; o != NULL && o->name != NULL; o++) {
        if (o->kind != CMDLINE_LIST)
            continue;
        mem_free(*(const char ***)field(o, in));
        *(const char ***)field(o, in) = NULL;
    }
}

static int allocate_all(const struct cmdline *line, const struct cmdline_target *to, size_t most)
{
    bool good = allocate(line->options, to->own, most);
    good = allocate(line->shared, to->shared, most) && good;
    if (line->words != NULL)
        good = (*to->words = mem_zalloc(most * sizeof(char *))) != NULL && good;
    return good ? 0 : DUET_ERR_NOMEM;
}

static void offer(struct near *near, const struct cmdline_option *o)
{
    for (; o != NULL && o->name != NULL; o++)
        near_offer(near, o->name + 2);
}

/* `len`: of the name, dashes included, in front of an equals sign. */
static int unknown_option(const struct cmdline *line, const char *given, size_t len, char *why)
{
    size_t dashes = strspn(given, "-");
    struct near near = near_to(given + dashes, len > dashes ? len - dashes : 0);
    if (line->verb != NULL)
        near_offer(&near, line->verb);
    offer(&near, line->options);
    offer(&near, line->shared);
    if (near.name == NULL)
        return cmdline_wrong(why, "there is no option `%.60s`; see `%s --help`", given, line->name);
    bool is_verb = near.name == line->verb;
    return cmdline_wrong(why, "there is no option `%.*s`; did you mean `%s%s%s`? See `%s --help`",
                         len < 60 ? (int)len : 60, given, is_verb ? line->name : "--", is_verb ? " " : "", near.name,
                         line->name);
}

/* The option at argv[*i] and its value, which may be the next argument. */
static int take_option(const struct cmdline *line, const struct cmdline_target *to, int *i, int argc, char **argv,
                       char *why)
{
    const char *name = strcmp(argv[*i], "-h") == 0 ? "--help" : argv[*i];
    size_t len = strcspn(name, "=");
    const struct cmdline_option *o = find_in(line->options, name, len);
    void *in = o != NULL ? to->own : to->shared;
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    if (o == NULL && (o = find_in(line->shared, name, len)) == NULL)
        return unknown_option(line, name, len, why);
    if (o->kind == CMDLINE_FLAG)
        return value != NULL ? cmdline_wrong(why, "%s takes no value", o->name) : take(o, field(o, in), NULL, why);
    if (value == NULL)
        value = *i + 1 < argc ? argv[++*i] : "";
    if (value[0] == 0)
        return cmdline_wrong(why, "%s needs a value; see `%s --help`", o->name, line->name);
    return take(o, field(o, in), value, why);
}

int cmdline_parse(const struct cmdline *line, const struct cmdline_target *to, int argc, char **argv,
                  char why[CMDLINE_WHY])
{
    bool words_only = false;
    if (allocate_all(line, to, (size_t)argc + 2) < 0) {
        snprintf(why, CMDLINE_WHY, "out of memory");
        return DUET_ERR_NOMEM;
    }
    for (int i = 0; i < argc; i++) {
        int rc = 0;
        if (!words_only && argv[i][0] == '-' && argv[i][1] != 0) {
            words_only = strcmp(argv[i], "--") == 0;
            rc = words_only ? 0 : take_option(line, to, &i, argc, argv, why);
        } else if (line->words == NULL) {
            rc = cmdline_wrong(why, "`%.60s` is no option; %s", argv[i], line->stray);
        } else {
            append(*to->words, argv[i]);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static const char *whose(const struct cmdline_option *o, void *in, const char *value)
{
    for (; o != NULL && o->name != NULL; o++) {
        if (o->kind == CMDLINE_TEXT && *(const char **)field(o, in) == value)
            return o->name;
        const char **list = o->kind == CMDLINE_LIST ? *(const char ***)field(o, in) : NULL;
        for (; list != NULL && *list != NULL; list++)
            if (*list == value)
                return o->name;
    }
    return NULL;
}

const char *cmdline_whose(const struct cmdline *line, const struct cmdline_target *to, const char *value)
{
    const char *name = value ? whose(line->options, to->own, value) : NULL;
    return name != NULL || value == NULL ? name : whose(line->shared, to->shared, value);
}

void cmdline_fini(const struct cmdline *line, const struct cmdline_target *to)
{
    release(line->options, to->own);
    release(line->shared, to->shared);
    if (line->words == NULL)
        return;
    mem_free(*to->words);
    *to->words = NULL;
}

static void help_table(const struct help *h, const char *title, const struct cmdline_option *o)
{
    help_title(h, title);
    for (; o->name != NULL; o++)
        help_entry(h, o->name, o->value, o->what);
}

void cmdline_help(const struct cmdline *line)
{
    struct help h = help_begin(stdout);
    char usage[80];
    snprintf(usage, sizeof(usage), "%s [OPTION]...%s%s", line->name, line->words ? " " : "",
             line->words ? line->words : "");
    help_usage(&h, usage);
    printf("\n%s\n", line->about);
    help_table(&h, "Options", line->options);
    if (line->shared != NULL)
        help_table(&h, line->shared_title, line->shared);
    printf("\n%s\n", line->end);
}
