/* SPDX-License-Identifier: MIT */
/*
 * Reading what is in a JSON text (RFC 8259) that stays where it is: values are slices of it, as they were written, so
 * that what is only handed on is handed on byte for byte.
 *
 * A text is checked once, whole, by json_check(); all else here takes what came out of that, and trusts it.
 */
#ifndef BASE_JSONREAD_H
#define BASE_JSONREAD_H

#include <stdbool.h>
#include <stddef.h>

struct json_slice {
    const char *text; /* borrowed from the text */
    size_t len;
};

/* Whether it is one JSON text whose arrays and objects are nested at most `depth` deep (up to JSON_DEPTH_MOST).
 * `value` is then the text without the spaces around it. */
bool json_check(const char *text, size_t len, unsigned depth, struct json_slice *value);

/* What a value is: '{' '[' '"' '0' for a number, 't' 'f' or 'n' for a word. */
char json_kind_of(struct json_slice value);

/* Walks through an object's or an array's values: `struct json_each e = json_each(value);`, then json_next() until it
 * is false. Of any other value there is none. Names come with their quotes; those of an array are empty. */
struct json_each {
    const char *at; /* NULL: there is no more */
    bool named;
};
struct json_each json_each(struct json_slice value);
bool json_next(struct json_each *each, struct json_slice *name, struct json_slice *value);

/* A string's or a name's bytes, without quotes and escapes, into `out`, which has room for `string.len`. Returns how
 * many; or -1 for half a surrogate pair, which is no character. */
long json_unquote(char *out, struct json_slice string);

/* Whether a string or a name is this word of ASCII, of up to 33 characters, however it is escaped. */
bool json_is(struct json_slice string, const char *word);

/* The value of a number; false: it has more than 63 digits or is too large to be one. */
bool json_number(struct json_slice number, double *out);

#endif
