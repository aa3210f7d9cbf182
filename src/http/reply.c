/* SPDX-License-Identifier: MIT */
#include "http/reply.h"
#include "http/field.h"
#include <duet/error.h>
#include <string.h>
#include <strings.h>

const char *reply_reason(unsigned status)
{
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default:  return "Status";
    }
}

void reply_line(struct buf *b, unsigned status)
{
    char line[] = "HTTP/1.1 000 ";
    line[9] = (char)('0' + status / 100 % 10);
    line[10] = (char)('0' + status / 10 % 10);
    line[11] = (char)('0' + status % 10);
    buf_put(b, line, sizeof(line) - 1);
    buf_puts(b, reply_reason(status));
    buf_put(b, "\r\n", 2);
}

void reply_field(struct buf *b, const char *name, const char *value)
{
    buf_puts(b, name);
    buf_put(b, ": ", 2);
    buf_puts(b, value);
    buf_put(b, "\r\n", 2);
}

/* What frames the message or makes the handshake is ours to say. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {
        "connection", "upgrade", "content-length", "transfer-encoding", "keep-alive", "date", "trailer",
        "sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-version",
        "sec-websocket-key",
    };
    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static bool value_is_clean(const char *value)
{
    for (; *value != 0; value++)
        if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

int reply_fields_check(const duet_header *fields)
{
    if (fields == NULL)
        return 0;
    for (const duet_header *f = fields; f->name != NULL; f++)
        if (!http_is_token(f->name, strlen(f->name)) || f->value == NULL || !value_is_clean(f->value) ||
            is_ours(f->name))
            return DUET_ERR_INVALID;
    return 0;
}

int reply_fields(struct buf *b, const duet_header *fields)
{
    int rc = reply_fields_check(fields);
    if (rc < 0 || fields == NULL)
        return rc;
    for (const duet_header *f = fields; f->name != NULL; f++)
        reply_field(b, f->name, f->value);
    return 0;
}
