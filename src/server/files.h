/* SPDX-License-Identifier: MIT */
/*
 * Static files (RFC 9110 13, 14): GET and HEAD, media types, strong entity tags, Last-Modified, conditional requests,
 * one range, .br and .gz neighbours. Opened below their root and nowhere else: each step with O_NOFOLLOW is not enough
 * for a root with links inside, so openat2(RESOLVE_BENEATH) decides. Disks block, so files are opened and read by the
 * server's worker thread (net/worker.h), never in the loop.
 */
#ifndef SERVER_FILES_H
#define SERVER_FILES_H

#include "server/httpd.h"

/* Answers `x` with the file `path` (decoded, begins with '/') below `root`; a folder's is its index.html. 404, 405,
 * 304, 206 and 416 as due. 0 or a negative error, and then it was not answered. */
int files_answer(duet_http *x, const duet_request *r, const char *root, const char *path);

/* Whether files can be served from `root`: 0, or a negative error and in `why` (`size` bytes) a line of what to do. */
int files_check(const char *root, char *why, size_t size);

/* The media type for a name's ending; "application/octet-stream" for others. */
const char *files_type(const char *path);

#endif
