/* SPDX-License-Identifier: MIT */
#include "cmd/show.h"
#include "base/utf8.h"
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>

enum { BODY_SHOWN = 2000 };

static bool ascii_only; /* the terminal does not say that it takes UTF-8 */

bool show_init(void)
{
    setlocale(LC_CTYPE, "");
    ascii_only = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    return !ascii_only;
}

/* Of what is not ASCII: C1 controls, the marks that turn writing round (U+061C, U+200E, U+200F, U+202A-202E,
 * U+2066-2069), ends of lines, and what hides (U+206A-206F, U+FEFF, U+FFF9-FFFB, the tags U+E0000-E007F). To a terminal
 * without UTF-8 each byte from 0x80 on may be a control, also in the middle of a character. */
static bool is_harmful(uint32_t c)
{
    return ascii_only || c < 0xa0 || c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe007f);
}

void show_safe(FILE *to, const void *data, size_t len)
{
    const uint8_t *at = data;
    for (size_t used; len > 0; at += used, len -= used) {
        uint32_t c;
        size_t n = utf8_character(at, len, &c);
        used = n > 0 ? n : 1;
        if (n == 1 && (at[0] == '\n' || at[0] == '\r'))
            fputs(at[0] == '\n' ? "\\n" : "\\r", to);
        else if (n == 0 || (n == 1 && ((at[0] < 0x20 && at[0] != '\t') || at[0] == 0x7f)))
            fprintf(to, "\\x%02x", at[0]);
        else if (n > 1 && is_harmful(c))
            for (size_t i = 0; i < n; i++)
                fprintf(to, "\\x%02x", at[i]);
        else
            fwrite(at, 1, n, to);
    }
}

void show_hex(FILE *to, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = data;
    for (size_t i = 0; i < len; i++) {
        putc(digits[at[i] >> 4], to);
        putc(digits[at[i] & 15], to);
    }
}

void show_line(const char *name, const char *what)
{
    fprintf(stderr, "%s: %s\n", name, what);
}

void show_open(const duet_conn *c)
{
    char peer[64];
    const char *subprotocol = duet_subprotocol(c);
    fprintf(stderr, "open: %s%s%s, subprotocol ", duet_peer(c, peer), duet_is_secure(c) ? ", TLS" : "",
            duet_tls_resumed(c) ? " resumed" : "");
    if (subprotocol != NULL)
        show_safe(stderr, subprotocol, strlen(subprotocol));
    else
        fputs("none", stderr);
    fputs(duet_deflates(c) ? ", permessage-deflate\n" : ", no compression\n", stderr);
}

void show_closed(const char *name, const char *url, const duet_closing *why)
{
    fprintf(stderr, "%s: ", name);
    if (url != NULL) {
        show_safe(stderr, url, strlen(url));
        fputs(" ", stderr);
    }
    fprintf(stderr, "closed with %u (%s)", why->code, duet_code_text(why->code));
    if (why->reason_len > 0) {
        fputs(", the peer says \"", stderr);
        show_safe(stderr, why->reason, why->reason_len);
        putc('"', stderr);
    }
    if (why->error != 0 && why->error != DUET_ERR_EOF)
        fprintf(stderr, "; %s", duet_strerror(why->error));
    if (why->unsent > 0)
        fprintf(stderr, "; %zu bytes were not delivered", why->unsent);
    putc('\n', stderr);
}

bool show_is_clean(const duet_closing *why)
{
    bool fine = why->code == DUET_CODE_NORMAL || why->code == DUET_CODE_AWAY || why->code == DUET_CODE_NONE ||
                why->code >= 3000;
    return why->error == 0 && why->unsent == 0 && fine;
}

static const char *advice(const duet_failure *why)
{
    if (why->status == 401 || why->status == 403 || why->status == 407)
        return "it may want --auth USER, --header 'Authorization: ...' or --origin";
    if (why->status == 404)
        return "look at the path of the URL";
    if (why->status >= 300 && why->status < 400)
        return "use the address it points to, or --redirects N";
    if (why->status == 429 || why->status >= 500)
        return "try again later";
    if (why->status != 0)
        return "is it a WebSocket server?";
    switch (why->error) {
    case DUET_ERR_PROXY:
        if (why->proxy_status == 407 || why->proxy_status == 401)
            return "--proxy http://user:password@host:port has both";
        return "look at --proxy, or at https_proxy and the like in the environment";
    case -ECONNREFUSED:
    case -ENOENT:
        return "is the server running there?";
    case DUET_ERR_RESOLVE:
        return "look at the host name";
    case DUET_ERR_TLS:
        return "--ca FILE trusts another issuer, --insecure anybody";
    case DUET_ERR_TIMEOUT:
    case -ETIMEDOUT:
        return "is the address right, and no firewall between?";
    case DUET_ERR_HANDSHAKE:
        return "is it a WebSocket server?";
    default:
        return "look at the URL and the network";
    }
}

void show_failure(const char *name, const char *url, const duet_failure *why)
{
    fprintf(stderr, "%s: cannot open ", name);
    show_safe(stderr, url, strlen(url));
    fputs(": ", stderr);
    show_safe(stderr, why->detail, strlen(why->detail));
    if (why->final)
        fprintf(stderr, "; %s\n", advice(why));
    else
        fprintf(stderr, "; again in %.1f s\n", why->retry_ms / 1000.0);
}

void show_refusal(const duet_failure *why)
{
    if (why->status == 0)
        return;
    fprintf(stderr, "refused with status %u, the peer says \"", why->status);
    show_safe(stderr, why->body, why->body_len < BODY_SHOWN ? why->body_len : BODY_SHOWN);
    fputs("\"\n", stderr);
}
