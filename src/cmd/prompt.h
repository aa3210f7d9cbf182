/* SPDX-License-Identifier: MIT */
/*
 * Lines that are typed at a terminal: editing and history by libedit, while the loop turns.
 *
 * libedit asks for a character when it needs one, and gets none before the loop has turned until there is one. So
 * nothing ever waits for the terminal alone. What is printed in such a turn takes the place of the line: prompt_hide()
 * clears it, and at the turn's end it is drawn again below.
 */
#ifndef CMD_PROMPT_H
#define CMD_PROMPT_H

#include <duet/loop.h>
#include <stddef.h>

struct prompt;

struct prompt_config {
    bool history; /* kept in a file between runs */
    bool retype;  /* a line that is entered is cleared, for its owner to print */
    /* A line without its end, UTF-8 and terminated; between turns of the loop. */
    void (*line)(void *arg, const char *text, size_t len);
    /* Once: Ctrl-D on an empty line, or the terminal is gone. */
    void (*ended)(void *arg);
    void *arg;
};

/* Whether lines can be edited: standard input is a terminal, so is standard error or output, and it can move a
 * cursor. */
bool prompt_possible(void);
/* NULL without memory, or without a terminal after all. Call it before there is another thread. */
struct prompt *prompt_new(duet_loop *loop, const struct prompt_config *config);
void prompt_free(struct prompt *p); /* the terminal is as it was before. NULL is fine */

/* Reads lines from now on. Until then nothing is drawn. */
void prompt_begin(struct prompt *p);
/* Turns the loop until `over`. */
void prompt_run(struct prompt *p, const bool *over);
/* What stands before the line, at most 29 bytes of ASCII. NULL is fine, as below. */
void prompt_say(struct prompt *p, const char *text);
/* Before anything is printed. */
void prompt_hide(struct prompt *p);

#endif
