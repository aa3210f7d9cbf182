/* SPDX-License-Identifier: MIT */
#include "cmd/args.h"
#include "base/mem.h"
#include "cmd/secret.h"
#include <duet/error.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct cmdline_option args_reach[] = {
    { "--header", "'N: V'", "A field for the request, such as 'Authorization: Bearer ...'; repeats", CMDLINE_LIST,
      offsetof(struct args, header_lines) },
    { "--subprotocol", "NAME", "Offer it; repeats, the most wanted first", CMDLINE_LIST,
      offsetof(struct args, subprotocols) },
    { "--auth", "USER[:PASSWORD]", "Basic authentication; the password may come from elsewhere, see the manual",
      CMDLINE_TEXT, offsetof(struct args, auth) },
    { "--password-file", "FILE", "The password of --auth is its first line", CMDLINE_TEXT,
      offsetof(struct args, password_file) },
    { "--origin", "ORIGIN", "Come as a page of this origin, such as https://example.com", CMDLINE_TEXT,
      offsetof(struct args, origin) },
    { "--proxy", "URL", "Go out through http:// or socks5://user:password@host:port; none: not by the environment's",
      CMDLINE_TEXT, offsetof(struct args, proxy) },
    { "--ca", "FILE", "Trust the certificates of FILE (PEM) instead of the system's", CMDLINE_TEXT,
      offsetof(struct args, ca) },
    { "--cert", "FILE", "Our own certificate and its chain (PEM); with --key", CMDLINE_TEXT,
      offsetof(struct args, cert) },
    { "--key", "FILE", "Its private key (PEM)", CMDLINE_TEXT, offsetof(struct args, key) },
    { "--insecure", "", "Verify no certificate: for tests only", CMDLINE_FLAG, offsetof(struct args, insecure) },
    { "--pin", "PIN", "Take only a server with this key, sha256/BASE64 of its SubjectPublicKeyInfo; repeats",
      CMDLINE_LIST, offsetof(struct args, pins) },
    { "--redirects", "N", "Follow so many redirects, up to 5 (0)", CMDLINE_NUMBER, offsetof(struct args, redirects),
      .most = ARGS_REDIRECTS_MOST },
    { "--deflate", "", "Offer permessage-deflate", CMDLINE_FLAG, offsetof(struct args, deflate) },
    { "--ping", "SECONDS", "Ping after so much silence (25; 0: never)", CMDLINE_SECONDS, offsetof(struct args, ping_ms),
      .most = ARGS_SECONDS_MOST },
    { "--trace", "", "Tell of the handshake and of each frame on standard error", CMDLINE_FLAG,
      offsetof(struct args, trace) },
    { "--trace-secrets", "", "The same, and show Authorization, Cookie and the like", CMDLINE_FLAG,
      offsetof(struct args, trace_secrets) },
    { "--help", "", "Print this", CMDLINE_FLAG, offsetof(struct args, help) },
    { NULL },
};

/* `line` becomes two strings of `text`, which is its copy. */
static int split_header(duet_header *to, char **text, const char *line, char *why)
{
    size_t name_len = strcspn(line, ":");
    if (line[name_len] == 0 || name_len == 0)
        return cmdline_wrong(why, "--header takes 'Name: value', not `%.60s`", line);
    *text = mem_strdup(line);
    if (*text == NULL) {
        snprintf(why, CMDLINE_WHY, "out of memory");
        return DUET_ERR_NOMEM;
    }
    (*text)[name_len] = 0;
    char *value = *text + name_len + 1;
    *to = (duet_header){ *text, value + strspn(value, " \t") };
    return 0;
}

static int split_headers(struct args *a, char *why)
{
    size_t n = 0;
    int rc = 0;
    while (a->header_lines[n] != NULL)
        n++;
    a->headers = mem_zalloc((n + 2) * sizeof(*a->headers));
    a->header_texts = mem_zalloc((n + 2) * sizeof(*a->header_texts));
    if (a->headers == NULL || a->header_texts == NULL) {
        snprintf(why, CMDLINE_WHY, "out of memory");
        return DUET_ERR_NOMEM;
    }
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = split_header(&a->headers[i], &a->header_texts[i], a->header_lines[i], why);
    if (rc < 0 || a->auth == NULL)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(a->headers[i].name, "Authorization") == 0)
            return cmdline_wrong(why, "--auth and --header 'Authorization: ...' do not go together; leave one out");
    rc = secret_basic(&a->header_texts[n], a->auth, a->password_file, why);
    a->headers[n] = (duet_header){ rc == 0 ? "Authorization" : NULL, a->header_texts[n] };
    return rc;
}

/* What is wrong with what was read as a whole; NULL: nothing. */
static const char *misfit(const struct args *a, const struct cmdline *line)
{
    if (a->words[0] == NULL && strncmp(line->words, "URL", 3) != 0)
        return "no channel was given; see --help";
    if (a->words[0] == NULL)
        return "no URL was given, such as ws://127.0.0.1:8080/channel/lobby; see --help";
    if ((a->cert == NULL) != (a->key == NULL))
        return "--cert FILE and --key FILE need each other";
    if (a->password_file != NULL && a->auth == NULL)
        return "--password-file FILE needs --auth USER";
    if (a->insecure && a->ca != NULL)
        return "--insecure verifies nothing, not even by --ca; leave one out";
    return NULL;
}

static struct cmdline_target target(struct args *a, void *own)
{
    return (struct cmdline_target){ .own = own, .shared = a, .words = &a->words };
}

int args_parse(struct args *a, const struct cmdline *line, void *own, int argc, char **argv, char why[CMDLINE_WHY])
{
    struct cmdline_target to = target(a, own);
    *a = (struct args){ .ping_ms = ARGS_UNSET, .wait_ms = ARGS_UNSET, .count = ARGS_UNSET };
    int rc = cmdline_parse(line, &to, argc, argv, why);
    if (rc < 0 || a->help)
        return rc;
    a->trace |= a->trace_secrets;
    while (a->words[a->words_count] != NULL)
        a->words_count++;
    const char *wrong = misfit(a, line);
    if (wrong == NULL)
        return split_headers(a, why);
    return cmdline_wrong(why, "%s", wrong);
}

void args_fini(struct args *a, const struct cmdline *line, void *own)
{
    struct cmdline_target to = target(a, own);
    for (size_t i = 0; a->header_texts != NULL && a->header_texts[i] != NULL; i++)
        mem_free(a->header_texts[i]);
    mem_free(a->header_texts);
    mem_free(a->headers);
    cmdline_fini(line, &to);
}
