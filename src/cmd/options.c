/* SPDX-License-Identifier: MIT */
#include "cmd/options.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct cmdline_option table[] = {
    { "--config", "FILE", "Read this file (YAML); options and DUET_... variables go before it", CMDLINE_TEXT,
      offsetof(struct options, config) },
    { "--check", "", "Look whether all is well with it, and end", CMDLINE_FLAG, offsetof(struct options, check) },
    { "--demo", "", "The built-in pages with their applications: a configuration of theirs, and their backends",
      CMDLINE_FLAG, offsetof(struct options, demo) },
    { "--production", "", "Refuse to start while something is open to everybody, and name it", CMDLINE_FLAG,
      offsetof(struct options, production) },
    { "--listen", "URL",
      "Where to listen (http://127.0.0.1:8080): ws, wss, http, https, unix:/path or fd:NAME; repeats", CMDLINE_LIST,
      offsetof(struct options, listen) },
    { "--root", "DIR", "Serve the files of DIR instead of the built-in pages", CMDLINE_TEXT,
      offsetof(struct options, root) },
    { "--tls-cert", "FILE", "Certificate chain (PEM); with --tls-key; pairs repeat", CMDLINE_LIST,
      offsetof(struct options, certs) },
    { "--tls-key", "FILE", "Its private key (PEM)", CMDLINE_LIST, offsetof(struct options, keys) },
    { "--threads", "N", "Event loops, each on a thread of its own (1)", CMDLINE_NUMBER,
      offsetof(struct options, threads), .least = 1, .most = 256 },
    { "--origin", "ORIGIN", "Pages of this origin may connect, too; repeats; * lets every page in", CMDLINE_LIST,
      offsetof(struct options, origins) },
    { "--trusted-proxy", "CIDR", "Believe the X-Forwarded headers of these peers, or of `unix`; repeats", CMDLINE_LIST,
      offsetof(struct options, proxies) },
    { "--proxy-protocol", "", "Trusted proxies begin with a PROXY protocol head", CMDLINE_FLAG,
      offsetof(struct options, proxy_protocol) },
    { "--admin-listen", "URL", "Serve /metrics on this address only, and /health here, too", CMDLINE_TEXT,
      offsetof(struct options, admin) },
    { "--api-listen", "URL", "Serve /api/ on this address only", CMDLINE_TEXT, offsetof(struct options, api) },
    { "--api-key-file", "FILE", "Requests to /api/ come with the key in this file (X-API-Key)", CMDLINE_TEXT,
      offsetof(struct options, api_key_file) },
    { "--data", "DIR", "Keep what is said in channels in this folder, over restarts", CMDLINE_TEXT,
      offsetof(struct options, data) },
    { "--durability", "HOW", "Of --data: on disk before it is seen (fsync), 10 ms later (batch), or some time (memory)",
      CMDLINE_CHOICE, offsetof(struct options, durability), .choices = "fsync batch memory" },
    { "--deflate", "on|off", "Compress messages for peers that offer it (on)", CMDLINE_CHOICE,
      offsetof(struct options, deflate), .choices = "on off" },
    { "--log", "FORMAT", "json or human (human on a terminal, else json)", CMDLINE_CHOICE,
      offsetof(struct options, log), .choices = "json human" },
    { "--help", "", "Print this", CMDLINE_FLAG, offsetof(struct options, help) },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet serve",
    .stray = "to listen there, write --listen before it",
    .about = "Serves live channels on /channel/NAME over WebSocket, and pages over HTTP on the same port.",
    .end = "SIGHUP reads the configuration and certificates again; SIGTERM and Ctrl-C drain, a second time ends at\n"
           "once. See duet-serve(1).",
    .options = table,
};

static int check_pairs(struct options *o, char *why)
{
    size_t keys = 0;
    while (o->certs[o->pairs] != NULL)
        o->pairs++;
    while (o->keys[keys] != NULL)
        keys++;
    if (o->pairs > keys)
        return cmdline_wrong(why, "each --tls-cert needs its --tls-key FILE");
    if (keys > o->pairs)
        return cmdline_wrong(why, "each --tls-key needs its --tls-cert FILE");
    return 0;
}

int options_parse(struct options *o, int argc, char **argv, char why[CMDLINE_WHY])
{
    memset(o, 0, sizeof(*o));
    int rc = cmdline_parse(&line, &(struct cmdline_target){ .own = o }, argc, argv, why);
    return rc < 0 || o->help ? rc : check_pairs(o, why);
}

void options_fini(struct options *o)
{
    cmdline_fini(&line, &(struct cmdline_target){ .own = o });
}

const char *options_whose(const struct options *o, const char *text)
{
    return cmdline_whose(&line, &(struct cmdline_target){ .own = (void *)(uintptr_t)o }, text);
}

/* Words of the configuration. */

static void say(struct options_words *out, const char *key, const char *by, const char *text)
{
    if (text != NULL)
        out->words[out->count++] = (struct config_word){ .key = key, .by = by, .text = text };
}

static void say_list(struct options_words *out, const char *key, const char *by, const char *const *list)
{
    if (list[0] != NULL)
        out->words[out->count++] = (struct config_word){ .key = key, .by = by, .list = list };
}

void options_words(const struct options *o, struct options_words *out)
{
    static const char *const logs[] = { NULL, "json", "human" };
    static const char *const deflates[] = { NULL, "true", "false" };
    static const char *const durabilities[] = { NULL, "fsync", "batch", "memory" };
    *out = (struct options_words){ .count = 0 };
    snprintf(out->threads, sizeof(out->threads), "%ld", o->threads);
    say_list(out, "listen", "--listen", o->listen);
    say_list(out, "origins", "--origin", o->origins);
    say_list(out, "trusted_proxies", "--trusted-proxy", o->proxies);
    say(out, "root", "--root", o->root);
    say(out, "threads", "--threads", o->threads > 0 ? out->threads : NULL);
    say(out, "proxy_protocol", "--proxy-protocol", o->proxy_protocol ? "true" : NULL);
    say(out, "admin.listen", "--admin-listen", o->admin);
    say(out, "api.listen", "--api-listen", o->api);
    say(out, "api.key_file", "--api-key-file", o->api_key_file);
    if (o->api_key_file != NULL) /* of the two ways to have a key, this one */
        out->words[out->count++] = (struct config_word){ .key = "api.key_env", .by = "--api-key-file" };
    say(out, "store.engine", "--data", o->data ? "sqlite" : NULL);
    say(out, "store.data", "--data", o->data);
    say(out, "store.durability", "--durability", durabilities[o->durability]);
    say(out, "deflate", "--deflate", deflates[o->deflate]);
    say(out, "log", "--log", logs[o->log]);
}

void options_help(void)
{
    cmdline_help(&line);
}
