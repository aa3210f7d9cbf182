/* SPDX-License-Identifier: MIT */
/*
 * Stages of the reader. The request line is judged byte by byte, so that garbage is refused at its first wrong
 * byte; everything else is judged a line at a time, when its LF has come.
 *
 *     START -> METHOD -> TARGET -> VERSION -> FIELDS -> DONE         a request
 *     STATUS ---------------------------------> FIELDS -> DONE       a response
 *
 * `seen` is how far the search went, `line_at` where the current line (from TARGET to VERSION: the current word)
 * began. A byte is looked at once by the search and once when its line is judged: twice in all (HTTP-2). That is
 * why Host, Content-Length and Transfer-Encoding are judged where they stand and not looked up again at the end.
 */
#include "http/head.h"

#include <string.h>

#include "http/field.h"
#include "http/host.h"

enum stage { START, METHOD, TARGET, VERSION, STATUS, FIELDS, DONE };

enum {
    EMPTY_LINES_MOST = 4,
    VERSION_BYTES = 8,
    CONTINUE = 2 /* not a verdict: the stage was left, go on with the next */
};

static int refuse(struct http_head *h, int status, const char *why)
{
    h->failed = (int16_t)status;
    h->error = why;
    return status;
}

static struct http_span span(size_t at, size_t end)
{
    return (struct http_span){ (uint16_t)at, (uint16_t)(end - at) };
}

static void look(struct http_head *h, size_t from, size_t to)
{
    h->looked += to - from;
}

void http_head_init(struct http_head *h)
{
    memset(h, 0, offsetof(struct http_head, fields));
}

/* Empty lines before the request line are skipped, a few (RFC 9112 2.2). */
static int read_start(struct http_head *h, const char *data, size_t end)
{
    while (h->seen < end && data[h->seen] == '\r') {
        look(h, h->seen, h->seen + 1);
        if (end - h->seen < 2)
            return 0;
        if (data[h->seen + 1] != '\n')
            return refuse(h, -400, "a bare CR before the request line");
        if (h->skipped++ == EMPTY_LINES_MOST)
            return refuse(h, -400, "too many empty lines before the request line");
        look(h, h->seen + 1, h->seen + 2);
        h->seen += 2;
    }
    if (h->seen == end)
        return 0;
    h->line_at = h->seen;
    h->stage = METHOD;
    return CONTINUE;
}

static enum http_method method_of(const char *s, size_t len)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",         [HTTP_DELETE] = "DELETE", [HTTP_PATCH] = "PATCH",
        [HTTP_OPTIONS] = "OPTIONS", [HTTP_TRACE] = "TRACE",   [HTTP_CONNECT] = "CONNECT",
    };
    for (unsigned i = HTTP_GET; i <= HTTP_CONNECT; i++)
        if (strlen(names[i]) == len && memcmp(s, names[i], len) == 0)
            return (enum http_method)i;
    return HTTP_UNKNOWN;
}

static int read_method(struct http_head *h, const char *data, size_t end, const struct http_limits *limits)
{
    size_t at = h->seen;
    while (at < end && http_is_token_char((unsigned char)data[at]) && at - h->line_at <= limits->target_bytes)
        at++;
    look(h, h->seen, at);
    h->seen = (uint32_t)at;
    if (at - h->line_at > limits->target_bytes)
        return refuse(h, -414, "the request line is over the limit");
    if (at == end)
        return 0;
    if (data[at] != ' ' || at == h->line_at)
        return refuse(h, -400, "the method is not a token");
    h->method_text = span(h->line_at, at);
    h->method = (uint8_t)method_of(data + h->line_at, at - h->line_at);
    look(h, h->line_at, at + 1);
    h->line_at = h->seen = (uint32_t)at + 1;
    h->stage = TARGET;
    return CONTINUE;
}

/* The printable bytes of ASCII but "#": a fragment never travels (RFC 9112 3.2). */
static bool is_target_char(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '#';
}

static bool starts_with(struct http_text t, const char *lower)
{
    size_t n = strlen(lower);
    return t.len >= n && http_same_name(t.at, lower, n);
}

/* Origin-form or absolute-form of http and https (RFC 6455 4.2.1); the other two forms are not for us. */
static bool judge_target(struct http_head *h, const char *data)
{
    struct http_text t = { data + h->target.at, h->target.len };
    if (t.len > 0 && *t.at == '/') {
        h->path = h->target;
        return true;
    }
    size_t scheme = starts_with(t, "http://") ? 7 : starts_with(t, "https://") ? 8 : 0;
    if (scheme == 0)
        return false;
    size_t n = scheme;
    while (n < t.len && t.at[n] != '/' && t.at[n] != '?')
        n++;
    h->host = span(h->target.at + scheme, h->target.at + n);
    h->path = span(h->target.at + n, (size_t)h->target.at + t.len);
    struct http_host host;
    return http_host_parse(t.at + scheme, n - scheme, &host);
}

static int read_target(struct http_head *h, const char *data, size_t end, const struct http_limits *limits)
{
    size_t at = h->seen;
    while (at < end && is_target_char((unsigned char)data[at]) && at - h->line_at <= limits->target_bytes)
        at++;
    look(h, h->seen, at);
    h->seen = (uint32_t)at;
    if (at - h->line_at > limits->target_bytes)
        return refuse(h, -414, "the request target is over the limit");
    if (at == end)
        return 0;
    if (data[at] != ' ')
        return refuse(h, -400, "a byte in the request target that may not be there");
    h->target = span(h->line_at, at);
    look(h, h->line_at, at + 1);
    if (!judge_target(h, data) || h->method == HTTP_CONNECT)
        return refuse(h, -400, "the request target has no form that is served");
    h->line_at = h->seen = (uint32_t)at + 1;
    h->stage = VERSION;
    return CONTINUE;
}

/* "HTTP/1.x" gives x; another version -505, anything else -400. */
static int version_of(const char *s)
{
    bool digits = s[5] >= '0' && s[5] <= '9' && s[7] >= '0' && s[7] <= '9';
    if (memcmp(s, "HTTP/", 5) != 0 || !digits || s[6] != '.')
        return -400;
    return s[5] == '1' ? s[7] - '0' : -505;
}

static int read_version(struct http_head *h, const char *data, size_t end)
{
    size_t full = h->line_at + VERSION_BYTES + 2;
    size_t to = end < full ? end : full;
    const char *lf = memchr(data + h->seen, '\n', to - h->seen);
    look(h, h->seen, to);
    h->seen = (uint32_t)to;
    if (lf == NULL && to < full)
        return 0;
    if (lf != data + full - 1 || lf[-1] != '\r')
        return refuse(h, -400, "the request line does not end in a version and CRLF");
    look(h, h->line_at, full);
    int minor = version_of(data + h->line_at);
    if (minor < 0)
        return refuse(h, minor, "not a version of HTTP that is served here");
    h->minor = (uint8_t)minor;
    if (h->method == HTTP_UNKNOWN)
        return refuse(h, -501, "an unknown method");
    h->line_at = h->seen;
    h->stage = FIELDS;
    return CONTINUE;
}

/* HTTP-version SP status-code [ SP [ reason-phrase ] ]; the second space is often left out. */
static bool judge_status(struct http_head *h, const char *data, size_t at, size_t end)
{
    const char *s = data + at;
    if (end - at < VERSION_BYTES + 4 || version_of(s) < 0 || s[8] != ' ')
        return false;
    h->minor = (uint8_t)version_of(s);
    for (int i = 9; i < 12; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        h->status = (uint16_t)(h->status * 10 + (s[i] - '0'));
    }
    if (h->status < 100 || h->status > 599)
        return false;
    if (end - at == VERSION_BYTES + 4)
        return true;
    h->reason = span(at + VERSION_BYTES + 5, end);
    return s[12] == ' ';
}

/* True when all of it may stand in a field value (RFC 9110 5.5): tabs and everything that is not a control. */
static bool is_text(const char *s, size_t len)
{
    unsigned bad = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        bad |= (unsigned)(c < ' ' && c != '\t') | (unsigned)(c == 0x7f);
    }
    return bad == 0;
}

static void count(uint8_t *n)
{
    if (*n < 2)
        ++*n;
}

/* One run of digits up to 2^63-1; leading zeros are digits (RFC 9112 6.3). */
static bool judge_length(struct http_head *h, struct http_text value)
{
    uint64_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned digit = (unsigned char)value.at[i] - (unsigned)'0';
        if (digit > 9 || n > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    count(&h->lengths);
    h->length = n;
    return value.len > 0;
}

/* Codings add up over several lines. Nothing may follow chunked, not even chunked. */
static bool judge_coding(struct http_head *h, struct http_text value)
{
    struct http_text coding;
    int rc;
    count(&h->codings);
    while ((rc = http_list_next(&value, &coding)) > 0) {
        if (h->chunked || !http_is_token(coding.at, coding.len))
            return false;
        h->chunked = http_text_is(coding, "chunked");
        h->coded |= !h->chunked;
    }
    return rc == 0;
}

static bool judge_host(struct http_head *h, const char *data, struct http_text value)
{
    struct http_host host;
    count(&h->hosts);
    size_t at = (size_t)(value.at - data);
    if (h->host.len == 0)
        h->host = span(at, at + value.len);
    return http_host_parse(value.at, value.len, &host);
}

/* A field line of the bytes [at, end), without its CRLF. NULL or what is wrong. */
static const char *judge_field(struct http_head *h, const char *data, size_t at, size_t end)
{
    size_t colon = at;
    while (colon < end && http_is_token_char((unsigned char)data[colon]))
        colon++;
    if (colon == at || colon == end || data[colon] != ':')
        return "a field line does not begin with a token and a colon";
    struct http_text name = { data + at, colon - at };
    struct http_text value = http_trim(data + colon + 1, end - colon - 1);
    size_t value_at = (size_t)(value.at - data);
    h->fields[h->count].name = span(at, colon);
    h->fields[h->count++].value = span(value_at, value_at + value.len);
    if (http_text_is(name, "host") && h->status == 0)
        return judge_host(h, data, value) ? NULL : "the Host field is malformed";
    bool framed = !h->tunnel || h->status / 100 != 2;
    if (framed && http_text_is(name, "content-length"))
        return judge_length(h, value) ? NULL : "the Content-Length field is malformed";
    if (framed && http_text_is(name, "transfer-encoding"))
        return judge_coding(h, value) ? NULL : "the Transfer-Encoding field is malformed";
    return is_text(value.at, value.len) ? NULL : "a control byte in a field value";
}

/* What only the whole head can tell (HTTP-8, HTTP-9, HTTP-14). */
static int judge_whole(struct http_head *h)
{
    bool request = h->status == 0;
    if (request && (h->hosts > 1 || (h->hosts == 0 && h->minor > 0)))
        return refuse(h, -400, "not exactly one Host field");
    if (h->lengths > 1)
        return refuse(h, -400, "more than one Content-Length field");
    if (h->codings > 0 && (h->lengths > 0 || h->minor == 0))
        return refuse(h, -400, "Transfer-Encoding beside Content-Length or in HTTP/1.0");
    if (h->codings > 0 && request && !h->chunked)
        return refuse(h, -400, "the last transfer coding is not chunked");
    if (h->coded)
        return refuse(h, -501, "a transfer coding other than chunked");
    h->size = h->seen;
    h->stage = DONE;
    return 1;
}

/* A line of [at, end) that ended in LF at `end`. */
static int judge_line(struct http_head *h, const char *data, size_t at, size_t end, uint32_t fields_most)
{
    look(h, at, end + 1);
    if (end == at || data[end - 1] != '\r')
        return refuse(h, -400, "a line ends in a bare LF");
    end--;
    if (h->stage == STATUS) {
        if (!judge_status(h, data, at, end) || !is_text(data + at, end - at))
            return refuse(h, -400, "the status line is malformed");
        h->stage = FIELDS;
        return CONTINUE;
    }
    if (end == at)
        return judge_whole(h);
    if (h->count == fields_most)
        return refuse(h, -431, "too many fields");
    const char *wrong = judge_field(h, data, at, end);
    return wrong == NULL ? CONTINUE : refuse(h, -400, wrong);
}

static int read_lines(struct http_head *h, const char *data, size_t end, const struct http_limits *limits)
{
    uint32_t most = limits->fields < HTTP_FIELDS_MOST ? limits->fields : HTTP_FIELDS_MOST;
    while (h->seen < end) {
        const char *lf = memchr(data + h->seen, '\n', end - h->seen);
        size_t to = lf != NULL ? (size_t)(lf - data) + 1 : end;
        look(h, h->seen, to);
        h->seen = (uint32_t)to;
        if (lf == NULL)
            return 0;
        size_t at = h->line_at;
        h->line_at = h->seen;
        int rc = judge_line(h, data, at, to - 1, most);
        if (rc != CONTINUE)
            return rc;
    }
    return 0;
}

static int step(struct http_head *h, const char *data, size_t end, const struct http_limits *limits)
{
    switch ((enum stage)h->stage) { /* GCOV_EXCL_BR_LINE: each stage has its case */
    case START:
        return read_start(h, data, end);
    case METHOD:
        return read_method(h, data, end, limits);
    case TARGET:
        return read_target(h, data, end, limits);
    case VERSION:
        return read_version(h, data, end);
    case STATUS:
    case FIELDS:
        return read_lines(h, data, end, limits);
    case DONE:
        break;
    }
    return 1;
}

/* Nothing beyond the limit is ever looked at: whether the head is too long is known when it is used up. */
static int read_head(struct http_head *h, const char *data, size_t len, const struct http_limits *limits)
{
    size_t most = limits->head_bytes < HTTP_HEAD_MOST ? limits->head_bytes : HTTP_HEAD_MOST;
    int rc = CONTINUE;
    if (h->failed != 0)
        return h->failed;
    while (rc == CONTINUE)
        rc = step(h, data, len < most ? len : most, limits);
    if (rc == 0 && len >= most)
        return refuse(h, -431, "the head is over the limit");
    return rc;
}

int http_head_request(struct http_head *h, const char *data, size_t len, const struct http_limits *limits)
{
    return read_head(h, data, len, limits);
}

int http_head_response(struct http_head *h, const char *data, size_t len, const struct http_limits *limits)
{
    if (h->stage == START)
        h->stage = STATUS;
    int rc = read_head(h, data, len, limits);
    return rc < 0 ? -1 : rc;
}

bool http_head_next(const struct http_head *h, const char *data, const char *name, unsigned *from, const char **value,
                    size_t *len)
{
    size_t n = strlen(name);
    while (*from < h->count) {
        const struct http_field *f = &h->fields[(*from)++];
        if (f->name.len == n && http_same_name(data + f->name.at, name, n)) {
            *value = data + f->value.at;
            *len = f->value.len;
            return true;
        }
    }
    return false;
}

unsigned http_head_count(const struct http_head *h, const char *data, const char *name)
{
    const char *value;
    unsigned from = 0, n = 0;
    size_t len;
    while (http_head_next(h, data, name, &from, &value, &len))
        n++;
    return n;
}

bool http_head_has_token(const struct http_head *h, const char *data, const char *name, const char *token)
{
    struct http_text rest, element;
    unsigned from = 0;
    while (http_head_next(h, data, name, &from, &rest.at, &rest.len))
        while (http_list_next(&rest, &element) > 0)
            if (http_text_is(element, token))
                return true;
    return false;
}

enum http_body http_head_body(const struct http_head *h, uint64_t *length)
{
    if ((h->status >= 100 && h->status < 200) || h->status == 204 || h->status == 304)
        return HTTP_BODY_NONE;
    if (h->chunked)
        return HTTP_BODY_CHUNKED;
    if (h->lengths == 0)
        return h->status == 0 ? HTTP_BODY_NONE : HTTP_BODY_CLOSE;
    *length = h->length;
    return h->length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
}

bool http_head_keep_alive(const struct http_head *h, const char *data)
{
    if (http_head_has_token(h, data, "connection", "close"))
        return false;
    return h->minor > 0 || http_head_has_token(h, data, "connection", "keep-alive");
}
