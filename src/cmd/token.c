/* SPDX-License-Identifier: MIT */
#include "cmd/token.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/jsonread.h"
#include "base/mem.h"
#include "cmd/cmdline.h"
#include "cmd/show.h"
#include "hub/keyfile.h"
#include "hub/token.h"
#include <duet/error.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FAILED = 1, USAGE = 2, EXPIRES_MOST = 1000000000, HOUR_MS = 3600 * 1000 };

struct token {
    const char **words, **caps, **subscribes;
    const char *user, *channel, *client, *info, *meta, *id, *audience, *issuer, *algorithm, *allow;
    struct keyfile keys;
    long expires_ms;
    bool help;
};

#define AT(field) offsetof(struct token, field)

static const struct cmdline_option options[] = {
    { "--user", "ID", "Who it is for (\"\": nobody in particular)", CMDLINE_TEXT, AT(user) },
    { "--channel", "NAME", "A subscription token for this channel; else it is a connection token", CMDLINE_TEXT,
      AT(channel) },
    { "--client", "ID", "Of a subscription token: for this connection alone", CMDLINE_TEXT, AT(client) },
    { "--expires", "SECONDS", "Good for so long (3600; 0: for ever)", CMDLINE_SECONDS, AT(expires_ms),
      .most = EXPIRES_MOST },
    { "--cap", "ALLOW=PATTERN",
      "What the connection may in channels: sub,pub,prs,hst=news:*; repeats, the first counts", CMDLINE_LIST,
      AT(caps) },
    { "--allow", "ALLOW", "Of a subscription token: what else may be done there, such as pub,hst", CMDLINE_TEXT,
      AT(allow) },
    { "--subscribe", "NAME", "Subscribe the connection to this channel; repeats", CMDLINE_LIST, AT(subscribes) },
    { "--info", "JSON", "What others in a channel see of it", CMDLINE_TEXT, AT(info) },
    { "--meta", "JSON", "What the backend sees of it, and nobody else", CMDLINE_TEXT, AT(meta) },
    { "--id", "ID", "The token's own id (jti)", CMDLINE_TEXT, AT(id) },
    { "--audience", "NAME", "For whom it is (aud); of a check: for whom it has to be", CMDLINE_TEXT, AT(audience) },
    { "--issuer", "NAME", "Who made it (iss); of a check: who has to have made it", CMDLINE_TEXT, AT(issuer) },
    { "--secret-file", "FILE", "The secret is in this file; openssl rand -hex 32 makes one", CMDLINE_TEXT,
      AT(keys.secret_file) },
    { "--secret-env", "NAME", "The secret is in this variable (DUET_TOKEN_SECRET)", CMDLINE_TEXT, AT(keys.secret_env) },
    { "--key", "FILE", "The key is in this file, in PEM: the private one to make a token, either to check one",
      CMDLINE_TEXT, AT(keys.pem_file) },
    { "--jwks", "FILE", "To check: the keys are in this file, as a JWKS", CMDLINE_TEXT, AT(keys.jwks_file) },
    { "--algorithm", "NAME", "HS256 to HS512, RS256.., PS256.. or ES256.., as the key has it", CMDLINE_TEXT,
      AT(algorithm) },
    { "--help", "", "Print this", CMDLINE_FLAG, AT(help) },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet token",
    .words = "[check [TOKEN]]",
    .verb = "check",
    .options = options,
    .about =
        "Makes a token for a connection or a subscription and prints it; or checks one, of standard input if it is\n"
        "not given, and prints what is in it.",
    .end = "See duet-token(1).",
};

static int complain(int code, const char *why)
{
    fprintf(stderr, "duet token: %s\n", why);
    return code;
}

/* Making one. Each put_*() adds a claim, and its comma if it is not the first. */

static void put_name(struct buf *b, const char *name)
{
    buf_puts(b, b->at[b->len - 1] == '{' || b->at[b->len - 1] == '[' ? "" : ",");
    if (name == NULL)
        return;
    json_put_string(b, name, strlen(name));
    buf_puts(b, ":");
}

static void put_text(struct buf *b, const char *name, const char *text)
{
    if (text == NULL)
        return;
    put_name(b, name);
    json_put_string(b, text, strlen(text));
}

static int put_json(struct buf *b, const char *name, const char *json, char why[CMDLINE_WHY])
{
    struct json_slice value;
    if (json == NULL)
        return 0;
    if (!json_check(json, strlen(json), HUB_TOKEN_DEPTH_MOST - 1, &value))
        return cmdline_wrong(why, "--%s takes JSON, such as '{\"name\":\"Ann\"}', not `%.60s`", name, json);
    put_name(b, name);
    buf_put(b, value.text, value.len);
    return 0;
}

/* "sub,pub", up to an equals sign or the end. */
static int put_allow(struct buf *b, const char *words, size_t len, char why[CMDLINE_WHY])
{
    static const char known[] = " sub pub prs hst ";
    put_name(b, "allow");
    buf_puts(b, "[");
    for (const char *at = words; at <= words + len; at++) {
        size_t n = strcspn(at, ",=");
        char word[8];
        snprintf(word, sizeof(word), " %.*s ", n < 6 ? (int)n : 6, at);
        if (n != 3 || strstr(known, word) == NULL)
            return cmdline_wrong(why, "what is allowed is a list of sub, pub, prs and hst, not `%.*s`",
                                 n < 60 ? (int)n : 60, at);
        put_name(b, NULL);
        json_put_string(b, at, n);
        at += n;
    }
    buf_puts(b, "]");
    return 0;
}

static int put_cap(struct buf *b, const char *cap, char why[CMDLINE_WHY])
{
    const char *equals = strchr(cap, '=');
    if (equals == NULL || equals[1] == 0)
        return cmdline_wrong(why, "--cap takes ALLOW=PATTERN, such as sub,hst=news:*, not `%.60s`", cap);
    put_name(b, NULL);
    buf_puts(b, "{");
    int rc = put_allow(b, cap, (size_t)(equals - cap), why);
    put_text(b, "match", "wildcard");
    put_name(b, "channels");
    buf_puts(b, "[");
    json_put_string(b, equals + 1, strlen(equals + 1));
    buf_puts(b, "]}");
    return rc;
}

static int put_lists(struct buf *b, const struct token *t, char why[CMDLINE_WHY])
{
    int rc = 0;
    if (t->caps[0] != NULL) {
        put_name(b, "caps");
        buf_puts(b, "[");
        for (size_t i = 0; t->caps[i] != NULL && rc == 0; i++)
            rc = put_cap(b, t->caps[i], why);
        buf_puts(b, "]");
    }
    if (t->subscribes[0] != NULL) {
        put_name(b, "channels");
        buf_puts(b, "[");
        for (size_t i = 0; t->subscribes[i] != NULL; i++) {
            put_name(b, NULL);
            json_put_string(b, t->subscribes[i], strlen(t->subscribes[i]));
        }
        buf_puts(b, "]");
    }
    if (rc == 0 && t->allow != NULL)
        rc = put_allow(b, t->allow, strlen(t->allow), why);
    return rc;
}

static int write_payload(struct buf *b, const struct token *t, char why[CMDLINE_WHY])
{
    long long now = (long long)time(NULL);
    buf_puts(b, "{");
    put_text(b, "sub", t->user ? t->user : "");
    put_text(b, "channel", t->channel);
    put_text(b, "client", t->client);
    put_name(b, "iat");
    buf_printf(b, "%lld", now);
    if (t->expires_ms > 0) {
        put_name(b, "exp");
        buf_printf(b, "%lld", now + (t->expires_ms + 999) / 1000);
    }
    put_text(b, "aud", t->audience);
    put_text(b, "iss", t->issuer);
    put_text(b, "jti", t->id);
    int rc = put_json(b, "info", t->info, why);
    if (rc == 0)
        rc = put_json(b, "meta", t->meta, why);
    if (rc == 0)
        rc = put_lists(b, t, why);
    buf_puts(b, "}");
    return b->failed ? DUET_ERR_NOMEM : rc;
}

/* What was made is read as the server will read it, so that none leaves here that would be refused there. */
static const char *misfit(const struct token *t, const struct hub_keys *keys, const char *token)
{
    struct hub_token_rules rules = { .keys = keys, .leeway_ms = HOUR_MS, .eternal = true };
    struct hub_subscriber who = { .channel = { t->channel, t->channel ? strlen(t->channel) : 0 },
                                  .user = { t->user ? t->user : "", t->user ? strlen(t->user) : 0 },
                                  .client = { t->client, t->client ? strlen(t->client) : 0 } };
    struct hub_claims claims;
    uint64_t now = (uint64_t)time(NULL) * 1000;
    if (t->channel != NULL)
        hub_token_subscription(&rules, token, strlen(token), now, &who, &claims);
    else
        hub_token_connection(&rules, token, strlen(token), now, &claims);
    const char *why = claims.why;
    hub_claims_fini(&claims);
    return why;
}

static int make(const struct token *t, const struct hub_keys *keys)
{
    char why[CMDLINE_WHY] = "out of memory";
    struct buf b;
    buf_init(&b, NULL, 0);
    buf_reserve(&b, 256);
    int rc = b.failed ? DUET_ERR_NOMEM : write_payload(&b, t, why), code = rc == DUET_ERR_INVALID ? USAGE : FAILED;
    char *token = rc == 0 ? hub_keys_sign(keys, t->keys.algorithms, b.at, b.len) : NULL;
    if (rc == 0 && token == NULL)
        cmdline_wrong(why, "this key signs nothing: to make a token takes a secret, or the private key in PEM");
    const char *wrong = token ? misfit(t, keys, token) : why;
    buf_fini(&b);
    if (wrong == NULL)
        code = printf("%s\n", token) < 0 || fflush(stdout) != 0 ? complain(FAILED, "standard output takes no more") : 0;
    else
        complain(code, wrong);
    mem_free(token);
    return code;
}

/* Checking one. */

static size_t read_token(char to[HUB_TOKEN_MOST + 2], const char *given)
{
    if (given != NULL && strcmp(given, "-") != 0)
        return (size_t)snprintf(to, HUB_TOKEN_MOST + 2, "%s", given);
    size_t len = fread(to, 1, HUB_TOKEN_MOST + 1, stdin);
    while (len > 0 && (to[len - 1] == '\n' || to[len - 1] == '\r' || to[len - 1] == ' '))
        len--;
    return len;
}

static int judge(const struct token *t, const struct hub_keys *keys, const char *token, size_t len,
                 struct hub_claims *claims)
{
    struct hub_token_rules rules = {
        .keys = keys, .audience = t->audience, .issuer = t->issuer, .leeway_ms = 5000, .eternal = true
    };
    uint64_t now = (uint64_t)time(NULL) * 1000;
    if (t->channel == NULL)
        return hub_token_connection(&rules, token, len, now, claims);
    struct hub_subscriber who = { .channel = { t->channel, strlen(t->channel) },
                                  .user = { t->user ? t->user : "", t->user ? strlen(t->user) : 0 },
                                  .client = { t->client, t->client ? strlen(t->client) : 0 } };
    return hub_token_subscription(&rules, token, len, now, &who, claims);
}

static int check(const struct token *t, const struct hub_keys *keys)
{
    static char token[HUB_TOKEN_MOST + 2];
    struct hub_claims claims;
    size_t len = read_token(token, t->words[1]);
    if (len >= sizeof(token))
        len = sizeof(token) - 1;
    int rc = judge(t, keys, token, len, &claims), code = 0;
    if (rc == HUB_OK && t->channel == NULL && t->user != NULL &&
        (claims.user.len != strlen(t->user) || memcmp(claims.user.at, t->user, claims.user.len) != 0)) {
        claims.why = "the token is for another user";
        rc = HUB_DISCONNECT_TOKEN;
    }
    if (rc != HUB_OK) {
        char why[CMDLINE_WHY];
        snprintf(why, sizeof(why), "%s (the server answers %d)", claims.why, rc);
        code = complain(FAILED, why);
    } else {
        show_init();
        show_safe(stdout, claims.payload.at, claims.payload.len);
        if (putchar('\n') < 0 || fflush(stdout) != 0)
            code = complain(FAILED, "standard output takes no more");
    }
    hub_claims_fini(&claims);
    return code;
}

/* The arguments as a whole. NULL; or what is wrong. */
static const char *wrong_arguments(struct token *t, bool checks)
{
    if (t->words[0] != NULL && !checks)
        return "there is one word, `check`; what a token is for, its options say";
    if (checks && t->words[1] != NULL && t->words[2] != NULL)
        return "check takes one token";
    if (keyfile_count(&t->keys) > 1)
        return "of --secret-file, --secret-env, --key and --jwks only one says where the key is; leave the others out";
    if (keyfile_count(&t->keys) == 0 && getenv("DUET_TOKEN_SECRET") == NULL)
        return "what is it signed with? --secret-file FILE, --secret-env NAME, --key FILE, or DUET_TOKEN_SECRET";
    if (t->algorithm != NULL && (t->keys.algorithms = hub_algorithm(t->algorithm, strlen(t->algorithm))) == 0)
        return "--algorithm is HS256, HS384, HS512, RS256.., PS256.. or ES256..";
    if (t->channel == NULL && (t->client != NULL || t->allow != NULL))
        return "--client and --allow are of subscription tokens: they need --channel";
    if (t->channel != NULL && (t->caps[0] != NULL || t->subscribes[0] != NULL))
        return "--cap and --subscribe are of connection tokens: they do not go with --channel";
    if (keyfile_count(&t->keys) == 0)
        t->keys.secret_env = "DUET_TOKEN_SECRET";
    return NULL;
}

int token_main(int argc, char **argv)
{
    struct token t = { .expires_ms = HOUR_MS };
    struct cmdline_target to = { .own = &t, .words = &t.words };
    struct hub_keys *keys = NULL;
    char why[CMDLINE_WHY];
    int code = 0;
    if (cmdline_parse(&line, &to, argc, argv, why) < 0)
        code = complain(USAGE, why);
    else if (t.help)
        cmdline_help(&line);
    else {
        bool checks = t.words[0] != NULL && strcmp(t.words[0], "check") == 0;
        const char *wrong = wrong_arguments(&t, checks);
        if (wrong != NULL)
            code = complain(USAGE, wrong);
        else if (keyfile_load(&keys, &t.keys, why) < 0)
            code = complain(USAGE, why);
        else
            code = checks ? check(&t, keys) : make(&t, keys);
    }
    hub_keys_free(keys);
    cmdline_fini(&line, &to);
    return code;
}
