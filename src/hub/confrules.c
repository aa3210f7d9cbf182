/* SPDX-License-Identifier: MIT */
#include "hub/confrules.h"
#include "hub/names.h"
#include <duet/error.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct judge {
    const struct config *c;
    const char *file;
    char *why;
    int rc;
};

/* The first thing that is wrong is told, by where the field was said that `broken` is about. */
static void rule(struct judge *j, bool broken, const void *field, const char *what)
{
    char where[CONFIG_WHERE];
    if (!broken || j->rc < 0)
        return;
    j->rc = DUET_ERR_INVALID;
    if (!config_where(j->c, j->file, field, where) && j->file[0] != 0)
        snprintf(where, sizeof(where), "%.100s: ", j->file);
    snprintf(j->why, CONFIG_WHY, "%s%.150s", where, what);
}

static void check_channels(struct judge *j, const struct hub_options *o)
{
    const struct config *c = j->c;
    bool history = o->history_size > 0 && o->history_ttl_ms > 0;
    rule(j, o->history_size > 0 && !history, &o->history_size, "history_size needs history_ttl, such as 10m");
    rule(j, o->history_ttl_ms > 0 && !history, &o->history_ttl_ms, "history_ttl needs history_size, such as 100");
    rule(j, o->history_meta_ttl_ms < o->history_ttl_ms, &o->history_ttl_ms,
         "history_ttl is at most history_meta_ttl: what is kept has a position");
    rule(j, o->force_recovery && !history, &o->force_recovery, "force_recovery needs history_size and history_ttl");
    rule(j, o->allow_recovery && !history, &o->allow_recovery, "allow_recovery needs history_size and history_ttl");
    rule(j, o->force_positioning && !history, &o->force_positioning,
         "force_positioning needs history_size and history_ttl");
    rule(j, o->allow_positioning && !history, &o->allow_positioning,
         "allow_positioning needs history_size and history_ttl");
    rule(j, o->cache && !o->force_recovery && !o->allow_recovery, &o->cache,
         "force_recovery_mode cache needs force_recovery or allow_recovery");
    rule(j, o->auto_cache_recover && !o->cache, &o->auto_cache_recover,
         "auto_cache_recover needs force_recovery_mode: cache");
    rule(j, o->allow_history_for_client && !history, &o->allow_history_for_client,
         "allow_history_for_client needs history_size and history_ttl");
    rule(j, o->allow_history_for_anonymous && !history, &o->allow_history_for_anonymous,
         "allow_history_for_anonymous needs history_size and history_ttl");
    rule(j, o->allow_history_for_subscriber && !history, &o->allow_history_for_subscriber,
         "allow_history_for_subscriber needs history_size and history_ttl");
    rule(j, o->allow_presence_for_client && !o->presence, &o->allow_presence_for_client,
         "allow_presence_for_client needs presence: true");
    rule(j, o->allow_presence_for_anonymous && !o->presence, &o->allow_presence_for_anonymous,
         "allow_presence_for_anonymous needs presence: true");
    rule(j, o->allow_presence_for_subscriber && !o->presence, &o->allow_presence_for_subscriber,
         "allow_presence_for_subscriber needs presence: true");
    rule(j, o->force_push_join_leave && !o->join_leave, &o->force_push_join_leave,
         "force_push_join_leave needs join_leave: true");
    rule(j, o->delta_publish && !o->allow_delta_fossil, &o->delta_publish,
         "delta_publish needs allowed_delta_types: [fossil]");
    rule(j, o->kinds == 0, &o->kinds, "kinds needs one of json, text and binary, or nothing could be published");
    rule(j, o->subscribe_hook && c->hooks.subscribe == NULL, &o->subscribe_hook,
         "subscribe_hook needs hooks.subscribe");
    rule(j, o->publish_hook && c->hooks.publish == NULL, &o->publish_hook, "publish_hook needs hooks.publish");
    rule(j, o->occupancy_hook && c->hooks.events == NULL, &o->occupancy_hook, "occupancy_hook needs hooks.events");
}

/* Names and regular expressions. */
static void check_names(struct judge *j)
{
    const struct config *c = j->c;
    struct hub_names *names;
    char why[HUB_NAMES_WHY];
    const void *last = &c->channels.channel_regex;
    /* One more at a time, so that it is known which of them is wrong; a handful, as a rule. */
    for (size_t n = 1; n <= c->namespaces_count && j->rc == 0; n++) {
        const struct hub_options *o = n > 1 ? &c->spaces[n - 2] : NULL;
        rule(j, o != NULL && o->name[0] == 0, o, "a namespace needs a name");
        if (o != NULL)
            last = o->channel_regex && config_line(c, &o->channel_regex) ? (const void *)&o->channel_regex : o;
        int rc = j->rc == 0 ? hub_names_new(&names, c->namespaces, n, c->limits.name_max, why) : 0;
        if (rc == DUET_ERR_NOMEM) {
            snprintf(j->why, CONFIG_WHY, "out of memory");
            j->rc = rc;
        } else if (rc < 0) {
            rule(j, true, last, why);
        } else if (j->rc == 0) {
            hub_names_free(names);
        }
    }
}

static void check_site(struct judge *j)
{
    const struct config *c = j->c;
    for (size_t i = 0; i < c->tls_count; i++) {
        rule(j, c->tls[i].cert == NULL, &c->tls[i], "a key needs its cert: FILE");
        rule(j, c->tls[i].key == NULL, &c->tls[i], "a cert needs its key: FILE");
    }
    rule(j, c->listen != NULL && c->listen[0] == NULL, &c->listen, "listen needs an address");
    rule(j, c->proxy_protocol && (c->trusted_proxies == NULL || c->trusted_proxies[0] == NULL), &c->proxy_protocol,
         "proxy_protocol needs trusted_proxies (--trusted-proxy): who else may say where a connection comes from?");
}

static void check_tokens(struct judge *j)
{
    const struct config *c = j->c;
    struct keyfile keys = config_keys(c);
    int count = keyfile_count(&keys);
    bool rules = c->tokens.algorithms || c->tokens.audience || c->tokens.issuer || c->tokens.eternal;
    const void *last = keys.jwks_file    ? (const void *)&c->tokens.jwks_file
                       : keys.pem_file   ? (const void *)&c->tokens.public_key_file
                       : keys.secret_env ? (const void *)&c->tokens.secret_env
                                         : (const void *)&c->tokens.secret_file;
    rule(j, count > 1, last,
         "of secret_file, secret_env, public_key_file and jwks_file only one says what tokens are signed with");
    rule(j, count == 0 && rules,
         c->tokens.audience  ? (const void *)&c->tokens.audience
         : c->tokens.issuer  ? (const void *)&c->tokens.issuer
         : c->tokens.eternal ? (const void *)&c->tokens.eternal
                             : (const void *)&c->tokens.algorithms,
         "tokens need a key: secret_file, secret_env, public_key_file or jwks_file");
    for (size_t i = 0; c->tokens.algorithms != NULL && c->tokens.algorithms[i] != NULL; i++)
        rule(j, hub_algorithm(c->tokens.algorithms[i], strlen(c->tokens.algorithms[i])) == 0, &c->tokens.algorithms,
             "algorithms: HS256, HS384, HS512, RS256.., PS256.. or ES256.. is expected");
    rule(j, c->tokens.algorithms != NULL && c->tokens.algorithms[0] == NULL, &c->tokens.algorithms,
         "algorithms needs one, or is left out");
}

static void check_doors(struct judge *j)
{
    const struct config *c = j->c;
    bool has_key = c->api.key_file || c->api.key_env;
    rule(j, c->api.key_file && c->api.key_env, &c->api.key_env, "of key_file and key_env only one says the key");
    rule(j, c->admin.token_file && c->admin.token_env, &c->admin.token_env,
         "of token_file and token_env only one says the token");
    rule(j, c->api.listen && !has_key, &c->api.listen,
         "api needs key_file (--api-key-file) or key_env: who may publish?");
    /* Who has the key is a program, which names no origin. */
    rule(j, c->require_origin && has_key && !c->api.listen, &c->require_origin,
         "require_origin keeps those out who come with the API's key: api needs a listen (--api-listen) of its own");
    rule(j,
         !c->clients.anonymous &&
             keyfile_count(&(struct keyfile){ c->tokens.secret_file, c->tokens.secret_env, c->tokens.public_key_file,
                                              c->tokens.jwks_file, 0 }) == 0 &&
             c->hooks.connect == NULL,
         &c->clients.anonymous, "without anonymous clients there have to be tokens, or hooks.connect");
    rule(j, c->store.engine == CONFIG_SQLITE && c->store.data == NULL, &c->store.engine,
         "engine sqlite needs data (--data): the folder where it is kept");
    rule(j, c->store.engine != CONFIG_SQLITE && c->store.data != NULL, &c->store.data,
         "data is of engine sqlite; engine memory keeps nothing there");
}

static bool is_http(const char *url)
{
    const char *host = strncasecmp(url, "http://", 7) == 0    ? url + 7
                       : strncasecmp(url, "https://", 8) == 0 ? url + 8
                                                              : "";
    return *host != '\0' && *host != '/' && strpbrk(url, " \t\r\n") == NULL;
}

/* What a request to the backend says itself, or what is of one connection alone (RFC 9110 7.6.1). */
static bool is_own_field(const char *name)
{
    static const char *const own[] = { "Host",
                                       "Connection",
                                       "Content-Length",
                                       "Content-Type",
                                       "Expect",
                                       "Keep-Alive",
                                       "Transfer-Encoding",
                                       "Upgrade",
                                       "TE",
                                       "Trailer",
                                       "Accept",
                                       "Proxy-Connection",
                                       "User-Agent",
                                       "Accept-Encoding",
                                       "Content-Encoding" };
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (strcasecmp(name, own[i]) == 0)
            return true;
    return strncasecmp(name, "Sec-WebSocket-", 14) == 0;
}

static bool is_token(const char *name)
{
    return *name != '\0' && name[strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static void check_hooks(struct judge *j)
{
    const struct config *c = j->c;
    char *const *const urls[] = { &c->hooks.connect, &c->hooks.refresh, &c->hooks.subscribe, &c->hooks.sub_refresh,
                                  &c->hooks.publish, &c->hooks.rpc,     &c->hooks.send,      &c->hooks.events };
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
        rule(j, *urls[i] != NULL && !is_http(*urls[i]), urls[i], "http://HOST/PATH or https://HOST/PATH is expected");
    rule(j, c->hooks.refresh && !c->hooks.connect, &c->hooks.refresh,
         "refresh is of connections that hooks.connect let in: it needs that");
    rule(j, c->hooks.sub_refresh && !c->hooks.subscribe, &c->hooks.sub_refresh,
         "sub_refresh is of subscriptions that hooks.subscribe allowed: it needs that");
    for (char *const *name = c->hooks.headers; name != NULL && *name != NULL; name++) {
        rule(j, !is_token(*name), &c->hooks.headers, "headers: names of fields are expected, such as [Cookie]");
        rule(j, is_own_field(*name), &c->hooks.headers,
             "headers: Host, Connection, Content-Type and their like are the request's own; name others");
    }
}

int confrules_check(const struct config *c, const char *file, char why[CONFIG_WHY])
{
    struct judge j = { .c = c, .file = file, .why = why };
    check_site(&j);
    check_tokens(&j);
    check_doors(&j);
    check_hooks(&j);
    check_channels(&j, &c->channels);
    for (size_t i = 0; i < c->spaces_count; i++)
        check_channels(&j, &c->spaces[i]);
    if (j.rc == 0)
        check_names(&j);
    return j.rc;
}
