/* SPDX-License-Identifier: MIT */
/* The head of a response, put together line by line. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "base/buf.h"
#include <duet/header.h>

const char *reply_reason(unsigned status); /* "Not Found"; "Status" for one we do not know */

void reply_line(struct buf *b, unsigned status); /* HTTP/1.1 404 Not Found */
/* A field whose name and value are ours. */
void reply_field(struct buf *b, const char *name, const char *value);
/*
 * The application's fields (NULL, or ending with a NULL name). 0, or DUET_ERR_INVALID for a name that is no token, a
 * value with a control byte (HTTP-19), or a field that belongs to the connection or the handshake (UPG-13): nothing
 * was put.
 */
int reply_fields(struct buf *b, const duet_header *fields);
int reply_fields_check(const duet_header *fields);

#endif
