/* SPDX-License-Identifier: MIT */
/*
 * What a publication is, decided once when it comes in: bytes are binary; text that is JSON (RFC 8259, nested at most
 * 32 deep) is JSON, and loses its newlines outside of strings, since ways in put it on a line; other text is text.
 */
#ifndef HUB_CONTENT_H
#define HUB_CONTENT_H

#include "hub/options.h"
#include <duet/proto.h>

enum { CONTENT_DEPTH_MOST = 32 };

struct content {
    enum hub_kind kind;
    const void *data; /* what was given, or `owned` */
    size_t len;
    char *owned; /* NULL: nothing had to be changed */
};

/* `text` is valid UTF-8 when `type` is DUET_TEXT. `data` is borrowed as long as this lives. 0 or DUET_ERR_NOMEM.
 */
int content_take(struct content *out, duet_type type, const void *data, size_t len);
/* The same for what must be JSON: DUET_ERR_INVALID when it is not (HUB-14). */
int content_take_json(struct content *out, const char *text, size_t len);
void content_fini(struct content *p);

#endif
