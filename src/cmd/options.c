/* SPDX-License-Identifier: MIT */
#include "cmd/options.h"
#include "base/mem.h"
#include "cmd/help.h"
#include <duet/error.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MOST = 256 };

enum kind { LIST, TEXT, THREADS, FLAG, LOG };

static const struct spec {
    const char *name, *value, *what;
    enum kind kind;
    size_t at; /* in struct options */
} specs[] = {
    { "--listen", "URL", "Where to listen (http://127.0.0.1:8080): ws, wss, http, https or unix:/path; repeats", LIST,
      offsetof(struct options, listen) },
    { "--root", "DIR", "Serve the files of DIR instead of the built-in pages", TEXT, offsetof(struct options, root) },
    { "--tls-cert", "FILE", "Certificate chain (PEM); with --tls-key; pairs repeat", LIST,
      offsetof(struct options, certs) },
    { "--tls-key", "FILE", "Its private key (PEM)", LIST, offsetof(struct options, keys) },
    { "--threads", "N", "Event loops, each on a thread of its own (1)", THREADS, offsetof(struct options, threads) },
    { "--origin", "ORIGIN", "Pages of this origin may connect, too; repeats; * lets every page in", LIST,
      offsetof(struct options, origins) },
    { "--trusted-proxy", "CIDR", "Believe the X-Forwarded headers of these peers, or of `unix`; repeats", LIST,
      offsetof(struct options, proxies) },
    { "--proxy-protocol", "", "Trusted proxies begin with a PROXY protocol head", FLAG,
      offsetof(struct options, proxy_protocol) },
    { "--admin-listen", "URL", "Serve /metrics on this address only, and /health here, too", TEXT,
      offsetof(struct options, admin) },
    { "--log", "FORMAT", "json or human (human on a terminal, else json)", LOG, offsetof(struct options, log) },
    { "--help", "", "Print this", FLAG, offsetof(struct options, help) },
};

enum { SPECS = sizeof(specs) / sizeof(*specs) };

static const struct spec *find(const char *name, size_t len)
{
    for (int i = 0; i < SPECS; i++)
        if (strlen(specs[i].name) == len && memcmp(specs[i].name, name, len) == 0)
            return &specs[i];
    return NULL;
}

static int wrong(char *why, const char *format, const char *what)
{
    snprintf(why, OPTIONS_WHY, format, what);
    return DUET_ERR_INVALID;
}

static int take_threads(unsigned *to, const char *value, char *why)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != 0 || errno != 0 || n < 1 || n > THREADS_MOST)
        return wrong(why, "--threads takes a number from 1 to 256, not `%.60s`", value);
    *to = (unsigned)n;
    return 0;
}

static int take(struct options *o, const struct spec *spec, const char *value, char *why)
{
    void *at = (char *)o + spec->at;
    switch (spec->kind) {
    case LIST: {
        const char **list = *(const char ***)at;
        while (*list != NULL)
            list++;
        *list = value;
        return 0;
    }
    case TEXT:
        *(const char **)at = value;
        return 0;
    case THREADS:
        return take_threads(at, value, why);
    case FLAG:
        *(bool *)at = true;
        return 0;
    case LOG:
        if (strcmp(value, "json") != 0 && strcmp(value, "human") != 0)
            return wrong(why, "--log takes json or human, not `%.60s`", value);
        o->log = value[0] == 'j' ? OPTIONS_LOG_JSON : OPTIONS_LOG_HUMAN;
        return 0;
    }
    return DUET_ERR_INVALID;
}

static int check_pairs(struct options *o, char *why)
{
    size_t keys = 0;
    while (o->certs[o->pairs] != NULL)
        o->pairs++;
    while (o->keys[keys] != NULL)
        keys++;
    if (o->pairs > keys)
        return wrong(why, "each --tls-cert needs its %s", "--tls-key FILE");
    if (keys > o->pairs)
        return wrong(why, "each --tls-key needs its %s", "--tls-cert FILE");
    return 0;
}

static int allocate(struct options *o, int argc)
{
    const char ***lists[] = { &o->listen, &o->origins, &o->proxies, &o->certs, &o->keys };
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        *lists[i] = mem_zalloc(((size_t)argc + 2) * sizeof(char *));
        if (*lists[i] == NULL)
            return DUET_ERR_NOMEM;
    }
    return 0;
}

int options_parse(struct options *o, int argc, char **argv, char why[OPTIONS_WHY])
{
    memset(o, 0, sizeof(*o));
    if (allocate(o, argc) < 0) {
        snprintf(why, OPTIONS_WHY, "out of memory");
        return DUET_ERR_NOMEM;
    }
    for (int i = 0; i < argc; i++) {
        const char *name = strcmp(argv[i], "-h") == 0 ? "--help" : argv[i];
        size_t len = strcspn(name, "=");
        const struct spec *spec = find(name, len);
        if (spec == NULL)
            return wrong(why, name[0] == '-' ? "there is no option `%.60s`; see `duet serve --help`"
                                             : "`%.60s` is no option; to listen there, write --listen before it", name);
        const char *value = name[len] == '=' ? name + len + 1 : NULL;
        if (spec->kind == FLAG && value != NULL)
            return wrong(why, "%s takes no value", spec->name);
        if (spec->kind != FLAG && value == NULL)
            value = i + 1 < argc ? argv[++i] : "";
        if (spec->kind != FLAG && value[0] == 0)
            return wrong(why, "%s needs a value; see `duet serve --help`", spec->name);
        int rc = take(o, spec, value, why);
        if (rc < 0)
            return rc;
    }
    return o->help ? 0 : check_pairs(o, why);
}

void options_fini(struct options *o)
{
    mem_free(o->listen);
    mem_free(o->origins);
    mem_free(o->proxies);
    mem_free(o->certs);
    mem_free(o->keys);
    memset(o, 0, sizeof(*o));
}

void options_help(void)
{
    struct help h = help_begin(stdout);
    help_usage(&h, "duet serve [OPTION]...");
    fputs("\nServes live channels on /channel/NAME over WebSocket, and pages over HTTP on the same port.\n", stdout);
    help_title(&h, "Options");
    for (int i = 0; i < SPECS; i++)
        help_entry(&h, specs[i].name, specs[i].value, specs[i].what);
    fputs("\nSIGHUP reads certificates again; SIGTERM and Ctrl-C drain, a second time ends at once.\n"
          "See duet-serve(1).\n", stdout);
}
