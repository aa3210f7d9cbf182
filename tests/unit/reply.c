/* SPDX-License-Identifier: MIT */
#include "http/reply.h"
#include "test.h"
#include <duet/error.h>

TEST(reply, the_phrases_of_rfc_9110_15)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } rows[] = {
        { 100, "Continue" },
        { 101, "Switching Protocols" },
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 416, "Range Not Satisfiable" },
        { 417, "Expectation Failed" },
        { 421, "Misdirected Request" },
        { 422, "Unprocessable Content" },
        { 426, "Upgrade Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 299, "Status" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(reply_reason(rows[i].status), rows[i].phrase);
}

TEST(reply, http_19_a_value_has_no_control_but_the_tab)
{
    for (unsigned c = 0; c < 256; c++) {
        char value[] = { 'a', (char)c, 'b', 0 };
        duet_header fields[] = { { "X-One", value }, { NULL, NULL } };
        bool good = c == 0 || c == '\t' || (c >= 0x20 && c != 0x7f);
        assert_int_equal(reply_fields_check(fields), good ? 0 : DUET_ERR_INVALID);
    }
    assert_int_equal(reply_fields_check((duet_header[]){ { "X-One", NULL }, { NULL, NULL } }), DUET_ERR_INVALID);
}
