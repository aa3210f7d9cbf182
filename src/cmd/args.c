/* SPDX-License-Identifier: MIT */
#include "cmd/args.h"
#include "base/mem.h"
#include "cmd/help.h"
#include <duet/error.h>
#include <stdlib.h>
#include <string.h>

enum { SECONDS_MOST = 1000000, COUNT_MOST = 1000000000 };

enum kind { LIST, HEADER, TEXT, SECONDS, COUNT, FLAG };

enum { ALL = ARGS_CONNECT | ARGS_SUB | ARGS_PUB, SENDS = ARGS_CONNECT | ARGS_PUB, PRINTS = ARGS_CONNECT | ARGS_SUB };

static const struct spec {
    const char *name, *value, *what;
    unsigned tools;
    enum kind kind;
    size_t at; /* in struct args */
} specs[] = {
    { "--binary", "", "All of the input is one binary message; those that come are printed without a newline",
      ARGS_CONNECT, FLAG, offsetof(struct args, binary) },
    { "--binary", "", "Each file is one binary message", ARGS_PUB, FLAG, offsetof(struct args, binary) },
    { "--hex", "", "Lines are hexadecimal digits and go as binary messages; those that come are printed so",
      ARGS_CONNECT, FLAG, offsetof(struct args, hex) },
    { "--null", "", "Each message ends with a NUL byte instead of a newline", ARGS_SUB, FLAG,
      offsetof(struct args, null) },
    { "--raw", "", "Print the peer's bytes as they are on a terminal, too", PRINTS, FLAG, offsetof(struct args, raw) },
    { "--count", "N", "End after N messages were received", PRINTS, COUNT, offsetof(struct args, count) },
    { "--wait", "SECONDS", "Stay this long after the input's end (1; with --count until they came)", ARGS_CONNECT,
      SECONDS, offsetof(struct args, wait_ms) },
    { "--header", "'N: V'", "A field for the request, such as 'Authorization: Bearer ...'; repeats", ALL, HEADER,
      offsetof(struct args, headers) },
    { "--subprotocol", "NAME", "Offer it; repeats, the most wanted first", ALL, LIST,
      offsetof(struct args, subprotocols) },
    { "--origin", "ORIGIN", "Come as a page of this origin, such as https://example.com", ALL, TEXT,
      offsetof(struct args, origin) },
    { "--ca", "FILE", "Trust the certificates of FILE (PEM) instead of the system's", ALL, TEXT,
      offsetof(struct args, ca) },
    { "--cert", "FILE", "Our own certificate and its chain (PEM); with --key", ALL, TEXT,
      offsetof(struct args, cert) },
    { "--key", "FILE", "Its private key (PEM)", ALL, TEXT, offsetof(struct args, key) },
    { "--insecure", "", "Verify no certificate: for tests only", ALL, FLAG, offsetof(struct args, insecure) },
    { "--deflate", "", "Offer permessage-deflate", ALL, FLAG, offsetof(struct args, deflate) },
    { "--ping", "SECONDS", "Ping after so much silence (25; 0: never)", ALL, SECONDS, offsetof(struct args, ping_ms) },
    { "--trace", "", "Tell of the handshake and of each frame on standard error", ALL, FLAG,
      offsetof(struct args, trace) },
    { "--help", "", "Print this", ALL, FLAG, offsetof(struct args, help) },
};

enum { SPECS = sizeof(specs) / sizeof(*specs) };

const char *args_name(enum args_tool tool)
{
    return tool == ARGS_CONNECT ? "duet connect" : tool == ARGS_SUB ? "duet sub" : "duet pub";
}

static const struct spec *find(enum args_tool tool, const char *name, size_t len)
{
    for (int i = 0; i < SPECS; i++)
        if ((specs[i].tools & tool) && strlen(specs[i].name) == len && memcmp(specs[i].name, name, len) == 0)
            return &specs[i];
    return NULL;
}

/* Digits, and up to three behind a point. */
static int take_seconds(long *to, const struct spec *spec, const char *value, char *why)
{
    char *end = (char *)value;
    double s = value[0] >= '0' && value[0] <= '9' ? strtod(value, &end) : -1;
    if (s < 0 || s > SECONDS_MOST || *end != 0 || strspn(value, "0123456789.") != strlen(value)) {
        snprintf(why, ARGS_WHY, "%s takes seconds from 0 to %d, not `%.60s`", spec->name, SECONDS_MOST, value);
        return DUET_ERR_INVALID;
    }
    *to = (long)(s * 1000 + 0.5);
    return 0;
}

static int take_count(long *to, const struct spec *spec, const char *value, char *why)
{
    char *end = (char *)value;
    unsigned long n = value[0] >= '0' && value[0] <= '9' ? strtoul(value, &end, 10) : 0;
    if (n < 1 || n > COUNT_MOST || *end != 0) {
        snprintf(why, ARGS_WHY, "%s takes a number from 1 to %d, not `%.60s`", spec->name, COUNT_MOST, value);
        return DUET_ERR_INVALID;
    }
    *to = (long)n;
    return 0;
}

static int take_header(struct args *a, const char *value, char *why)
{
    size_t n = 0;
    size_t name_len = strcspn(value, ":");
    if (value[name_len] == 0 || name_len == 0) {
        snprintf(why, ARGS_WHY, "--header takes 'Name: value', not `%.60s`", value);
        return DUET_ERR_INVALID;
    }
    char *text = mem_strdup(value);
    if (text == NULL) {
        snprintf(why, ARGS_WHY, "out of memory");
        return DUET_ERR_NOMEM;
    }
    while (a->header_texts[n] != NULL)
        n++;
    a->header_texts[n] = text;
    text[name_len] = 0;
    char *rest = text + name_len + 1;
    a->headers[n] = (duet_header){ text, rest + strspn(rest, " \t") };
    return 0;
}

static int take(struct args *a, const struct spec *spec, const char *value, char *why)
{
    void *at = (char *)a + spec->at;
    switch (spec->kind) {
    case LIST: {
        const char **list = *(const char ***)at;
        while (*list != NULL)
            list++;
        *list = value;
        return 0;
    }
    case HEADER:
        return take_header(a, value, why);
    case TEXT:
        *(const char **)at = value;
        return 0;
    case SECONDS:
        return take_seconds(at, spec, value, why);
    case COUNT:
        return take_count(at, spec, value, why);
    case FLAG:
        *(bool *)at = true;
        return 0;
    }
    return DUET_ERR_INVALID;
}

static int check(const struct args *a, enum args_tool tool, char *why)
{
    const char *wrong = NULL;
    if (a->words_count == 0)
        wrong = "no URL was given, such as ws://127.0.0.1:8080/channel/lobby; see --help";
    else if (tool == ARGS_CONNECT && a->words_count > 1)
        wrong = "one URL is enough; options begin with two dashes, see --help";
    else if (a->binary && a->hex)
        wrong = "--binary and --hex do not go together; leave one out";
    else if ((a->cert == NULL) != (a->key == NULL))
        wrong = "--cert FILE and --key FILE need each other";
    else if (a->insecure && a->ca != NULL)
        wrong = "--insecure verifies nothing, not even by --ca; leave one out";
    if (wrong == NULL)
        return 0;
    snprintf(why, ARGS_WHY, "%s", wrong);
    return DUET_ERR_INVALID;
}

static int allocate(struct args *a, size_t most)
{
    a->words = mem_zalloc(most * sizeof(*a->words));
    a->subprotocols = mem_zalloc(most * sizeof(*a->subprotocols));
    a->headers = mem_zalloc(most * sizeof(*a->headers));
    a->header_texts = mem_zalloc(most * sizeof(*a->header_texts));
    return a->words && a->subprotocols && a->headers && a->header_texts ? 0 : DUET_ERR_NOMEM;
}

static int parse_all(struct args *a, enum args_tool tool, int argc, char **argv, char *why)
{
    bool words_only = false;
    for (int i = 0; i < argc; i++) {
        const char *name = strcmp(argv[i], "-h") == 0 ? "--help" : argv[i];
        if (words_only || name[0] != '-' || name[1] == 0) {
            a->words[a->words_count++] = name;
            continue;
        }
        words_only = strcmp(name, "--") == 0;
        if (words_only)
            continue;
        size_t len = strcspn(name, "=");
        const struct spec *spec = find(tool, name, len);
        const char *value = name[len] == '=' ? name + len + 1 : NULL;
        if (spec != NULL && spec->kind != FLAG && value == NULL)
            value = i + 1 < argc ? argv[++i] : "";
        if (spec == NULL)
            snprintf(why, ARGS_WHY, "there is no option `%.60s`; see `%s --help`", name, args_name(tool));
        else if (spec->kind == FLAG && value != NULL)
            snprintf(why, ARGS_WHY, "%s takes no value", spec->name);
        else if (spec->kind != FLAG && value[0] == 0)
            snprintf(why, ARGS_WHY, "%s needs a value; see `%s --help`", spec->name, args_name(tool));
        else if (take(a, spec, value, why) == 0)
            continue;
        return DUET_ERR_INVALID;
    }
    return 0;
}

int args_parse(struct args *a, enum args_tool tool, int argc, char **argv, char why[ARGS_WHY])
{
    *a = (struct args){ .ping_ms = ARGS_UNSET, .wait_ms = ARGS_UNSET, .count = ARGS_UNSET };
    if (allocate(a, (size_t)argc + 2) < 0) {
        snprintf(why, ARGS_WHY, "out of memory");
        return DUET_ERR_NOMEM;
    }
    int rc = parse_all(a, tool, argc, argv, why);
    return rc < 0 || a->help ? rc : check(a, tool, why);
}

void args_fini(struct args *a)
{
    for (size_t i = 0; a->header_texts != NULL && a->header_texts[i] != NULL; i++)
        mem_free(a->header_texts[i]);
    mem_free(a->header_texts);
    mem_free(a->headers);
    mem_free(a->subprotocols);
    mem_free(a->words);
    memset(a, 0, sizeof(*a));
}

void args_help(enum args_tool tool)
{
    struct help h = help_begin(stdout);
    char line[80];
    const char *words = tool == ARGS_CONNECT ? "URL" : tool == ARGS_SUB ? "URL..." : "URL [FILE]...";
    snprintf(line, sizeof(line), "%s [OPTION]... %s", args_name(tool), words);
    help_usage(&h, line);
    fputs(tool == ARGS_CONNECT ? "\nSends the lines of standard input as text messages, and prints those that come.\n"
          : tool == ARGS_SUB   ? "\nPrints the messages that come, a line each; a connection that is lost comes back.\n"
                               : "\nSends each line of the files, or of standard input, as a text message.\n",
          stdout);
    help_title(&h, "Options");
    for (int i = 0; i < SPECS; i++)
        if (specs[i].tools & tool)
            help_entry(&h, specs[i].name, specs[i].value, specs[i].what);
    printf("\nURL is ws://, wss://, http://, https:// or unix:/path. See duet-%s(1).\n", args_name(tool) + 5);
}
