/* SPDX-License-Identifier: MIT */
/*
 * Ordinary HTTP/1.1 beside the WebSockets: requests to look at, answers that come now, later or in a stream.
 *
 * A `duet_http *` is one request and its answer. It is good from its callback until it was answered whole (by
 * duet_http_reply(), duet_http_end(), duet_http_file() or duet_http_upgrade()) or `gone` returned, on the thread of its
 * loop only. From elsewhere keep duet_http_id() and come back by duet_http_find() in a call posted to that loop.
 * What was asked for is a `duet_request *`: <duet/request.h>.
 */
#ifndef DUET_HTTP_H
#define DUET_HTTP_H

#include <duet/conn.h>
#include <duet/request.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The whole answer; everything is copied. `headers` is NULL or ends with a NULL name; Content-Length, Date and
 * Connection are added. 0; DUET_ERR_STATE when it was answered already; DUET_ERR_INVALID for a status outside 200-599,
 * a header of the connection's own or one with a control byte (HTTP-19, UPG-13); DUET_ERR_NOMEM. After an error it can
 * still be answered.
 */
DUET_API int duet_http_reply(duet_http *x, unsigned status, const duet_header *headers, const void *body, size_t len);
/* The same with a text/plain line. But with DUET_ERR_NOMEM, as nothing shorter can be said, the connection is lost, and
 * `gone` follows. */
DUET_API int duet_http_text(duet_http *x, unsigned status, const char *line);

/*
 * A stream: chunked, or until the end of the connection for HTTP/1.0. It begins with results as duet_http_reply(), and
 * DUET_ERR_INVALID for 204 and 304, which have no body. Then 0; DUET_ERR_STATE when it is not begun, has ended or lost
 * its peer; DUET_ERR_FULL over the hard limit: nothing was written; DUET_ERR_NOMEM: the connection is lost, and `gone`
 * follows. The answer to a HEAD is to be ended too; what is written to it goes nowhere.
 */
DUET_API int duet_http_begin(duet_http *x, unsigned status, const duet_header *headers);
DUET_API int duet_http_write(duet_http *x, const void *data, size_t len);
DUET_API int duet_http_end(duet_http *x);
DUET_API bool duet_http_congested(const duet_http *x);
/* Called once after duet_http_congested() was true, when there is room again. */
DUET_API void duet_http_on_drain(duet_http *x, void (*drain)(duet_http *x));
/* A stream that was begun becomes a member of a topic: each publication's payload is written to it as it is. Results as
 * duet_subscribe(); DUET_ERR_STATE when it is not begun or has ended. */
DUET_API int duet_http_subscribe(duet_http *x, const char *topic);
DUET_API int duet_http_unsubscribe(duet_http *x, const char *topic);

/* Accepts an upgrade request: 101, then `open` is called for the connection that it becomes. Results as
 * duet_proto_accept(). */
DUET_API int duet_http_upgrade(duet_http *x, const char *subprotocol, const duet_header *headers);

/* A file below the server's root, or below `root` when that is not NULL: GET and HEAD, types, entity tags, dates,
 * conditional and range requests, .br and .gz neighbours. Answers 404 for what is not there. 0 or as reply. */
DUET_API int duet_http_file(duet_http *x, const duet_request *r, const char *root);

/* Memory as a file: constant data with a strong entity tag (with its quotes) and a media type. */
typedef struct duet_http_page {
    const char *type, *etag;
    const void *data; /* borrowed for ever */
    size_t len;
    const char *cache; /* Cache-Control; NULL: "no-cache" */
} duet_http_page;
DUET_API int duet_http_page_reply(duet_http *x, const duet_request *r, const duet_http_page *page,
                                  const duet_header *headers);

/* Stops and starts the reading of a body that comes in pieces. */
DUET_API void duet_http_pause(duet_http *x);
DUET_API void duet_http_resume(duet_http *x);

DUET_API uint64_t duet_http_id(const duet_http *x);
/* What it came on, to be asked about by duet_peer(), duet_age_ms() and duet_conn_read_stats(): good as long as `x`. */
DUET_API const duet_conn *duet_http_conn(const duet_http *x);
DUET_API duet_server *duet_http_server(const duet_http *x);
/* The block of `data_size` zeroed bytes, which an upgrade hands on to the connection. */
DUET_API void *duet_http_data(const duet_http *x);

#ifdef __cplusplus
}
#endif
#endif
