/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/url.h"

/* The parts as a line, or the reason. */
static const char *trace_n(const char *s, size_t len, enum http_url_use use)
{
    static char out[512];
    struct http_url u;
    const char *why;
    char host[128];
    if (!http_url_parse(s, len, use, &u, &why))
        return why;
    http_url_host_field(&u, host, sizeof(host));
    snprintf(out, sizeof(out), "%d%s [%.*s]%u %s%.*s %.*s %s", (int)u.scheme, u.secure ? "s" : "", (int)u.host.len,
             u.host.at, u.port, u.root, (int)u.target.len, u.target.at, (int)u.file.len,
             u.file.at == NULL ? "" : u.file.at, host);
    return out;
}

static const char *trace(const char *s, enum http_url_use use)
{
    return trace_n(s, strlen(s), use);
}

#define NO_SCHEME "the URL begins with none of ws: wss: http: https: unix:"
#define NO_LISTEN "the URL begins with none of ws: wss: http: https: unix: fd: fd+tls:"
#define NO_PROXY  "the URL of a proxy begins with none of http: socks5: socks5h:"
#define NO_SLASH  "the scheme is not followed by ://"
#define NO_HOST   "the host is missing or malformed, or the port is not a number up to 65535"
#define NO_CHAR   "a character in the path that has to be percent-encoded"
#define FRAGMENT  "a fragment (#) has no meaning here; in a path it is written %23"
#define USER      "a user name in the URL; credentials go elsewhere"

/* The last word is the Host field: RFC-31. */
TEST(url, rfc_27_to_connect_to)
{
    static const char *const rows[][2] = {
        { "ws://h", "0 [h]80 /  h" },
        { "WSS://H", "1s [H]443 /  H" },
        { "ws://h?x", "0 [h]80 /?x  h" },
        { "ws://h/?x?y", "0 [h]80 /?x?y  h" },
        { "ws://h:80/a", "0 [h]80 /a  h" },
        { "ws://h:/a", "0 [h]80 /a  h" },
        { "ws://h:443/a", "0 [h]443 /a  h:443" },
        { "wss://h:443/a%23", "1s [h]443 /a%23  h" },
        { "wss://h:80/", "1s [h]80 /  h:80" },
        { "http://127.0.0.1:9001", "2 [127.0.0.1]9001 /  127.0.0.1:9001" },
        { "https://[::1]:9001/a", "3s [::1]9001 /a  [::1]:9001" },
        { "ws://[::1]", "0 [::1]80 /  [::1]" },
        { "ws://h/a;b=c,d/e@f:g!", "0 [h]80 /a;b=c,d/e@f:g!  h" },
        { "ws://h/%", NO_CHAR },
        { "ws://h/%2", NO_CHAR },
        { "ws://h/%2g", NO_CHAR },
        { "ws://h/%/2", NO_CHAR },
        { "ws://h/%:2", NO_CHAR },
        { "ws://h/%aF", "0 [h]80 /%aF  h" },
        { "ws://h#", FRAGMENT },
        { "ws://h/#a", FRAGMENT },
        { "ws://h?a#b", FRAGMENT },
        { "ws://", NO_HOST },
        { "ws:///a", NO_HOST },
        { "ws://:80", NO_HOST },
        { "ws://h:65536", NO_HOST },
        { "ws://h:x", NO_HOST },
        { "ws://::1/", NO_HOST },
        { "ws://a b/", NO_HOST },
        { "ws://h\\@i/", USER },
        { "ws://u@h", USER },
        { "ws://u:p@h/", USER },
        { "ws://h:0/", "port 0 cannot be connected to" },
        { "ws://h/a b", NO_CHAR },
        { "ws://h/\r\nX: y", NO_CHAR },
        { "ws://h/%", NO_CHAR },
        { "ws://h/%4", NO_CHAR },
        { "ws://h/%4g", NO_CHAR },
        { "ws://h/\xc3\xa9", NO_CHAR },
        { "ws://h/|", NO_CHAR },
        { "ws:h", NO_SLASH },
        { "ws:/h", NO_SLASH },
        { "ws:", NO_SLASH },
        { "ws", NO_SCHEME },
        { "", NO_SCHEME },
        { "//h/", NO_SCHEME },
        { "h:80", NO_SCHEME },
        { " ws://h", NO_SCHEME },
        { "ftp://h", NO_SCHEME },
        { "wsx://h", NO_SCHEME },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(trace(rows[i][0], HTTP_URL_CONNECT), rows[i][1]);
}

TEST(url, to_listen_on)
{
    static const char *const rows[][2] = {
        { "ws://:9001", "0 []9001 /  :9001" },
        { "http://", "2 []80 /  " },
        { "http://:0/", "2 []0 /  :0" },
        { "https://[::]:8443", "3s [::]8443 /  [::]:8443" },
        { "ws://:x", "the port is not a number up to 65535" },
        { "ws://:65536", "the port is not a number up to 65535" },
        { "ws://:0000000000001", "the port is not a number up to 65535" },
        { "ws://h/a", "a path in a URL to listen on" },
        { "ws://h?a", "a path in a URL to listen on" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(trace(rows[i][0], HTTP_URL_LISTEN), rows[i][1]);
}

TEST(url, of_a_proxy)
{
    static const char *const rows[][2] = {
        { "http://h", "2 [h]80 /  h" },
        { "http://h:3128/", "2 [h]3128 /  h:3128" },
        { "SOCKS5://h", "5 [h]1080 /  h" },
        { "socks5h://[::1]:9050", "5 [::1]9050 /  [::1]:9050" },
        { "http://u:p@h", "2 [h]80 /  h" },
        { "http://h/a", "a path in the URL of a proxy" },
        { "http://h?a", "a path in the URL of a proxy" },
        { "http://h#a", FRAGMENT },
        { "http://h:0", "port 0 cannot be connected to" },
        { "http://", NO_HOST },
        { "http://u:p@", NO_HOST },
        { "http://u:p/q@h", NO_HOST },
        { "http://u@v@h", "a character in the user name or password that has to be percent-encoded" },
        { "http://u:%4@h", "a character in the user name or password that has to be percent-encoded" },
        { "http://u:%g4@h", "a character in the user name or password that has to be percent-encoded" },
        { "http://u:%4g@h", "a character in the user name or password that has to be percent-encoded" },
        { "http://u:p p@h", "a character in the user name or password that has to be percent-encoded" },
        { "http://\xc3\xa9@h", "a character in the user name or password that has to be percent-encoded" },
        { "https://h", NO_PROXY },
        { "ws://h", NO_PROXY },
        { "unix:/h", NO_PROXY },
        { "socks4://h", NO_PROXY },
        { "h:3128", NO_PROXY },
        { "", NO_PROXY },
        { "http:h", NO_SLASH },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(trace(rows[i][0], HTTP_URL_PROXY), rows[i][1]);
    assert_string_equal(trace("socks5://h", HTTP_URL_CONNECT), NO_SCHEME);
    assert_string_equal(trace("socks5://h", HTTP_URL_LISTEN), NO_LISTEN);
}

TEST(url, a_proxys_user_and_password_are_decoded)
{
    static const struct {
        const char *url, *user, *password;
    } rows[] = {
        { "http://h", NULL, "" },
        { "http://@h", "", "" },
        { "http://u@h", "u", "" },
        { "http://u:@h", "u", "" },
        { "http://:p@h", "", "p" },
        { "http://u:p:q@h", "u", "p:q" },
        { "socks5://a%40b%3a:%25%2F%c3%A9@h", "a@b:", "%/\xc3\xa9" },
        { "http://a-._~!$&'()*+,;=:b@h", "a-._~!$&'()*+,;=", "b" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct http_url u;
        const char *why;
        char out[32];
        assert_true(http_url_parse(rows[i].url, strlen(rows[i].url), HTTP_URL_PROXY, &u, &why));
        assert_int_equal(u.has_user, rows[i].user != NULL);
        assert_int_equal(http_url_decode(u.user, out, sizeof(out)), rows[i].user ? strlen(rows[i].user) : 0);
        assert_string_equal(out, rows[i].user ? rows[i].user : "");
        assert_int_equal(http_url_decode(u.password, out, sizeof(out)), strlen(rows[i].password));
        assert_string_equal(out, rows[i].password);
    }
    char out[4];
    for (size_t len = 2; len <= 4; len++)
        assert_int_equal(http_url_decode((struct http_text){ "abcd", len }, out, sizeof(out)), len < 4 ? (int)len : -1);
}

TEST(url, cli_4_no_control_character_is_decoded)
{
    for (int c = 0; c < 256; c++) {
        char text[4], out[4];
        snprintf(text, sizeof(text), "%%%02x", c);
        assert_int_equal(http_url_decode((struct http_text){ text, 3 }, out, sizeof(out)),
                         c < 0x20 || c == 0x7f ? -1 : 1);
    }
}

TEST(url, net_12_a_socket_file)
{
    assert_string_equal(trace("unix:/run/a b", HTTP_URL_CONNECT), "4 []0  /run/a b localhost");
    assert_string_equal(trace("unix:run", HTTP_URL_LISTEN),
                        "a socket file is written unix:/path, with an absolute path");
    assert_string_equal(trace("unix:", HTTP_URL_LISTEN), "a socket file is written unix:/path, with an absolute path");
    assert_string_equal(trace("unix://run/a", HTTP_URL_LISTEN),
                        "a socket file is written unix:/path, with an absolute path");
    assert_string_equal(trace("unix:/", HTTP_URL_LISTEN), "4 []0  / localhost");
    assert_string_equal(trace_n("ws://h/a\0b", 10, HTTP_URL_CONNECT), NO_CHAR);
    assert_string_equal(trace_n("unix:/a\0b", 9, HTTP_URL_LISTEN), "a zero byte in the path of a socket file");
    for (size_t n = 106; n <= 108; n++) {
        char s[128] = "unix:/";
        memset(s + 6, 'a', n - 1);
        struct http_url u;
        const char *why;
        assert_int_equal(http_url_parse(s, 5 + n, HTTP_URL_LISTEN, &u, &why), n <= 107);
    }
}

TEST(url, a_descriptor_is_a_number_to_listen_on)
{
    static const struct {
        const char *url;
        int descriptor; /* -1: refused */
        bool secure;
    } rows[] = {
        { "fd:0", 0, false },  { "fd:3", 3, false }, { "FD+TLS:17", 17, true }, { "fd:9999999", 9999999, false },
        { "fd:10000000", -1 }, { "fd:", -1 },        { "fd:-1", -1 },           { "fd:3/", -1 },
        { "fd://3", -1 },      { "fd:3a", -1 },      { "fd: 3", -1 },           { "fd+tls:", -1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct http_url u;
        const char *why = "";
        bool good = http_url_parse(rows[i].url, strlen(rows[i].url), HTTP_URL_LISTEN, &u, &why);
        assert_int_equal(good, rows[i].descriptor >= 0);
        if (!good) {
            assert_string_equal(why, "a descriptor is written fd:3, with its number");
            continue;
        }
        assert_int_equal(u.scheme, HTTP_SCHEME_FD);
        assert_int_equal(u.descriptor, rows[i].descriptor);
        assert_int_equal(u.secure, rows[i].secure);
    }
    assert_string_equal(trace("fd:3", HTTP_URL_CONNECT), NO_SCHEME);
    assert_string_equal(trace("fd+tls:3", HTTP_URL_PROXY), NO_PROXY);
}

/* Each control byte, and each byte from 0x80 on, in each part. */
TEST(url, cli_4_no_control_byte_passes)
{
    for (int c = 0; c < 256; c++) {
        if (c >= ' ' && c < 0x7f)
            continue;
        static const char *const forms[] = { "ws://a*b/", "ws://ab/c*d", "ws://ab/?c*d", "ws://ab:8*0/", "w*s://ab/" };
        for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
            char s[32];
            struct http_url u;
            const char *why;
            size_t len = strlen(forms[i]);
            memcpy(s, forms[i], len);
            *(char *)memchr(s, '*', len) = (char)c;
            assert_false(http_url_parse(s, len, HTTP_URL_CONNECT, &u, &why));
        }
        static const char *const proxies[] = { "http://a*b/", "socks5://a*b:c@d/", "http://a:b*c@d/",
                                               "http://a@b:8*0" };
        for (size_t i = 0; i < sizeof(proxies) / sizeof(*proxies); i++) {
            char s[32];
            struct http_url u;
            const char *why;
            size_t len = strlen(proxies[i]);
            memcpy(s, proxies[i], len);
            *(char *)memchr(s, '*', len) = (char)c;
            assert_false(http_url_parse(s, len, HTTP_URL_PROXY, &u, &why));
        }
    }
}

TEST(url, a_host_field_that_does_not_fit_is_empty)
{
    struct http_url u;
    const char *why;
    char out[5];
    assert_true(http_url_parse("ws://h:81", 9, HTTP_URL_CONNECT, &u, &why));
    assert_int_equal(http_url_host_field(&u, out, 5), 4);
    assert_int_equal(http_url_host_field(&u, out, 4), 0);
}
