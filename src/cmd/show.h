/* SPDX-License-Identifier: MIT */
/*
 * What a tool says of a connection. Bytes of the peer never reach a terminal as they came: what could move the cursor,
 * turn the text round or be obeyed is shown as \n, \x1b and the like.
 */
#ifndef CMD_SHOW_H
#define CMD_SHOW_H

#include <duet/client.h>
#include <stdio.h>

/* Takes the locale from the environment. Whether the terminal takes UTF-8; else all but ASCII is shown by its bytes. */
bool show_init(void);
/* Any bytes, as one line without its end. */
void show_safe(FILE *to, const void *data, size_t len);
void show_hex(FILE *to, const void *data, size_t len);

/* Lines on standard error; `name` is the tool's. */
void show_line(const char *name, const char *what); /* of our own words */
/* What was agreed on; of --trace, behind frames_begin(). */
void show_open(const duet_conn *c);
/* `url` may be NULL: there is only one. */
void show_closed(const char *name, const char *url, const duet_closing *why);
/* Why it did not open, and what to do. */
void show_failure(const char *name, const char *url, const duet_failure *why);
/* The server's own words for a refusal, likewise. */
void show_refusal(const duet_failure *why);

/* A Close that no one need worry about: 1000, 1001, without a code, or an application's own, all delivered. */
bool show_is_clean(const duet_closing *why);

#endif
