/* SPDX-License-Identifier: MIT */
#include "cmd/frames.h"
#include "base/clock.h"
#include "cmd/help.h"
#include "cmd/show.h"
#include "cmd/tally.h"
#include <string.h>
#include <strings.h>

enum { LINES_MOST = 200, LINE_SHOWN = 2000 };

static void put_mark(char mark)
{
    if (help_begin(stderr).colour)
        fprintf(stderr, "\x1b[%dm%c\x1b[0m ", mark == '>' ? 36 : mark == '<' ? 32 : 33, mark);
    else
        fprintf(stderr, "%c ", mark);
}

void frames_begin(const struct frames *f, char mark)
{
    put_mark(mark);
    fprintf(stderr, "%8.3f  ", (double)(clock_us() - f->start_us) / 1e6);
}

/* Of a line that begins with the name of a field whose value is nobody's business: the name's length; else 0. */
static size_t secret_name(const char *line, size_t len)
{
    static const char *const names[] = { "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        size_t n = strlen(names[i]);
        if (len > n && strncasecmp(line, names[i], n) == 0 && line[n] == ':')
            return n;
    }
    return 0;
}

/* "Authorization: Basic ***": the scheme says nothing, and helps. */
static void put_masked(const char *line, size_t len, size_t name)
{
    const char *value = line + name + 1;
    size_t left = len - name - 1;
    while (left > 0 && (*value == ' ' || *value == '\t'))
        value++, left--;
    const char *space = memchr(value, ' ', left);
    bool scheme = space != NULL && strncasecmp(line + name - 6, "zation", 6) == 0;
    show_safe(stderr, line, name);
    fputs(": ", stderr);
    if (scheme)
        show_safe(stderr, value, (size_t)(space + 1 - value));
    fputs("***\n", stderr);
}

void frames_head(const struct frames *f, bool sent, const char *head, size_t len)
{
    bool masked = false; /* a line that begins with a blank goes on with a value */
    unsigned lines = 0;
    for (size_t used; len > 0 && lines < LINES_MOST; head += used, len -= used, lines++) {
        const char *end = memchr(head, '\n', len);
        size_t n = end ? (size_t)(end - head) : len;
        used = n + (end != NULL);
        n -= n > 0 && head[n - 1] == '\r';
        if (n == 0)
            continue;
        if (lines == 0)
            frames_begin(f, sent ? '>' : '<');
        else
            put_mark(sent ? '>' : '<'), fprintf(stderr, "%8s  ", "");
        size_t name = f->secrets ? 0 : secret_name(head, n);
        masked = name > 0 || (masked && (*head == ' ' || *head == '\t'));
        if (name > 0) {
            put_masked(head, n, name);
        } else if (masked) {
            fputs("***\n", stderr);
        } else {
            show_safe(stderr, head, n < LINE_SHOWN ? n : LINE_SHOWN);
            fputs(n > LINE_SHOWN ? " ...\n" : "\n", stderr);
        }
    }
}

static const char *opcode_name(unsigned opcode)
{
    static const char *const names[16] = {
        [0] = "continuation", [1] = "text", [2] = "binary", [8] = "close", [9] = "ping", [10] = "pong",
    };
    return opcode < 16 && names[opcode] != NULL ? names[opcode] : "reserved";
}

/* ">    0.105  text         FIN RSV1       12 bytes of 300, masked, head c18ca1b2c3d4" */
void frames_frame(const struct frames *f, const duet_trace *t)
{
    char bits[24];
    snprintf(bits, sizeof(bits), "%s%s%s%s", t->final ? "FIN" : "   ", t->rsv & 4 ? " RSV1" : "",
             t->rsv & 2 ? " RSV2" : "", t->rsv & 1 ? " RSV3" : "");
    frames_begin(f, t->sent ? '>' : '<');
    fprintf(stderr, "%-12s %-8s %7llu bytes", opcode_name(t->opcode), bits, (unsigned long long)t->length);
    if (t->plain_length > 0)
        fprintf(stderr, " of %llu", (unsigned long long)t->plain_length);
    fprintf(stderr, "%s, head ", t->masked ? ", masked" : "");
    show_hex(stderr, t->head, t->head_len);
    putc('\n', stderr);
}

void frames_inflated(const struct frames *f, uint64_t packed, size_t len)
{
    frames_begin(f, '<');
    fprintf(stderr, "%-12s %-8s %7zu bytes of %llu (%.1f : 1)\n", "inflated", "", len, (unsigned long long)packed,
            packed > 0 ? (double)len / (double)packed : 0);
}
