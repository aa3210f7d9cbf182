/* SPDX-License-Identifier: MIT */
/* Reading what a method of the API is to do: members of a JSON object, which are borrowed from the request. */
#ifndef WIRE_PARAMS_H
#define WIRE_PARAMS_H

#include "base/jsonread.h"
#include "hub/codes.h"
#include "hub/content.h"

/* The member of this name; its text is NULL when there is none, or it is null. */
struct json_slice params_member(struct json_slice object, const char *name);
/* Of those that may be missing; false: it is something else. */
bool params_text(struct json_slice object, const char *name, char *out, size_t cap, size_t *len); /* "" */
bool params_number(struct json_slice object, const char *name, int64_t *out); /* 0; whole, between -2^53 and 2^53 */
/* Whether it is true. */
bool params_flag(struct json_slice object, const char *name);
/* `channel`, which may not be missing. */
bool params_channel(struct json_slice params, char out[HUB_NAME_MOST], size_t *len);
/* How many values an array has; 0 for what is none, or has more than `most`. */
unsigned params_count(struct json_slice array, unsigned most);

struct params_bytes {
    uint8_t *at; /* mem_free(), also after an error */
    size_t len;
};
/* What a string of base64 says. HUB_OK or an error. */
enum hub_error params_bytes(struct params_bytes *out, struct json_slice value);

struct params_json {
    struct content content; /* empty: it is missing */
    struct params_bytes bytes;
};
/* JSON, as it is or, under its other name, in base64. `out` is zeroed. HUB_OK or an error; either way
 * params_json_fini(). */
enum hub_error params_json(struct params_json *out, struct json_slice params, const char *name, const char *b64name);
void params_json_fini(struct params_json *j);

#endif
