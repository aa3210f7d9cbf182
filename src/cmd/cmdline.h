/* SPDX-License-Identifier: MIT */
/*
 * Command lines: a table of options says what there is, where each value goes in the command's own struct, and what
 * --help prints. Values follow their option or an equals sign; `--` ends the options.
 */
#ifndef CMD_CMDLINE_H
#define CMD_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

enum { CMDLINE_WHY = 200 };

/* What a field of the struct is, and what may be written there. */
enum cmdline_kind {
    CMDLINE_FLAG,    /* bool */
    CMDLINE_TEXT,    /* const char *, the argument itself */
    CMDLINE_LIST,    /* const char **, ends with NULL; the option repeats */
    CMDLINE_NUMBER,  /* long, from `least` to `most`, which are not negative */
    CMDLINE_SECONDS, /* long, in milliseconds; written in seconds from `least` to `most`, with a point */
    CMDLINE_CHOICE   /* int: which of the words of `choices`, from 1 */
};

struct cmdline_option {
    const char *name, *value, *what; /* "--count", "N", the sentence of --help */
    enum cmdline_kind kind;
    size_t at;           /* offsetof the field */
    long least, most;    /* NUMBER, SECONDS */
    const char *choices; /* CHOICE: "json human" */
};

/* One command. */
struct cmdline {
    const char *name;  /* "duet connect" */
    const char *words; /* what --help calls those that are no option: "URL [FILE]..."; NULL: there are none */
    const char *stray; /* NULL `words`: what to do instead of writing one */
    const char *verb;  /* a word that means what others write as an option: "check" */
    const char *about, *end; /* paragraphs of --help around the options */
    const struct cmdline_option *options; /* its own; ends with a NULL name */
    const struct cmdline_option *shared;  /* likewise, those it has in common with other commands; may be NULL */
    const char *shared_title;
};

/* Where the values go: fields that no argument names keep what they hold. */
struct cmdline_target {
    void *own, *shared;  /* the structs of the two tables; they may be one */
    const char ***words; /* a list as of CMDLINE_LIST; NULL without `words` */
};

/* Reads the arguments behind the command's name. 0; or a negative error, and then one line of what is wrong and what
 * to do in `why`. Either way cmdline_fini(). */
int cmdline_parse(const struct cmdline *line, const struct cmdline_target *to, int argc, char **argv,
                  char why[CMDLINE_WHY]);
/* The option whose value this very argument is, or one of its list; NULL: it is none's. */
const char *cmdline_whose(const struct cmdline *line, const struct cmdline_target *to, const char *value);
/* Frees the lists. */
void cmdline_fini(const struct cmdline *line, const struct cmdline_target *to);
/* Says in `why` what is wrong with the arguments: DUET_ERR_INVALID. */
__attribute__((format(printf, 2, 3))) int cmdline_wrong(char why[CMDLINE_WHY], const char *format, ...);
/* To standard output. */
void cmdline_help(const struct cmdline *line);

#endif
