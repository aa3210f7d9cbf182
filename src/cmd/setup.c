/* SPDX-License-Identifier: MIT */
#include "cmd/setup.h"
#include "base/mem.h"
#include "cmd/pages.h"
#include "hub/slurp.h"
#include <duet/error.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { KEY_MOST = 1024, KEY_LEAST = 16, SAID = CONFIG_WHY + 40 };

/* The configuration as options. Lists of one are lists of the other with another constness. */

static const char **list_of(char **configured)
{
    static const char *none[] = { NULL };
    return configured ? (const char **)configured : none;
}

static int pair_up(struct setup *s)
{
    const struct config *c = &s->config;
    s->certs = mem_zalloc((c->tls_count + 1) * sizeof(*s->certs));
    s->keys = mem_zalloc((c->tls_count + 1) * sizeof(*s->keys));
    if (s->certs == NULL || s->keys == NULL)
        return DUET_ERR_NOMEM;
    for (size_t i = 0; i < c->tls_count; i++) {
        s->certs[i] = c->tls[i].cert;
        s->keys[i] = c->tls[i].key;
    }
    s->options.certs = s->certs;
    s->options.keys = s->keys;
    s->options.pairs = c->tls_count;
    return 0;
}

static int put_together(struct setup *s)
{
    const struct config *c = &s->config;
    struct options *o = &s->options;
    o->listen = list_of(c->listen);
    o->origins = list_of(c->origins);
    o->proxies = list_of(c->trusted_proxies);
    o->root = c->root;
    o->admin = c->admin.listen;
    o->api = c->api.listen;
    o->data = c->store.data;
    return o->pairs > 0 ? 0 : pair_up(s);
}

/* Where it was said. */

static const char demo_name[] = "demo.yaml"; /* the file, where none was named */

void setup_where(const struct setup *s, const void *of, char out[CONFIG_WHERE])
{
    const char *option = options_whose(s->given, of); /* of certificates, which the configuration does not get */
    if (option != NULL)
        snprintf(out, CONFIG_WHERE, "%s: ", option);
    else
        config_where(&s->config, s->given->config ? s->given->config : demo_name, of, out);
}

/* Puts that in front of what is wrong with the text. */
static int wrong_at(const struct setup *s, const char *text, int rc, char why[SETUP_WHY])
{
    char place[CONFIG_WHERE], said[SETUP_WHY];
    setup_where(s, text, place);
    snprintf(said, sizeof(said), "%s", why);
    snprintf(why, SETUP_WHY, "%s%.150s", place, said);
    return rc;
}

/* Of what `s` says. */
static int set_doors(struct hub_doors *doors, const struct setup *s, char why[SETUP_WHY])
{
    const struct config *c = &s->config;
    struct keyfile from = config_keys(c);
    int rc = hub_doors_set(doors, c, why);
    if (rc == DUET_ERR_STATE)
        return wrong_at(s, c->tokens.algorithms[0], rc, why);
    return rc == 0 ? 0
                   : wrong_at(s,
                              from.secret_file  ? from.secret_file
                              : from.secret_env ? from.secret_env
                              : from.pem_file   ? from.pem_file
                                                : from.jwks_file,
                              rc, why);
}

/* Secrets that are compared, not signed with. */

static int take_secret(char **out, const char *name, const char *text, size_t len, char why[SETUP_WHY])
{
    if (len < KEY_LEAST || len > KEY_MOST)
        return snprintf(why, SETUP_WHY,
                        "%.100s: a secret of %d to %d bytes is expected: openssl rand -hex 32 makes one", name,
                        KEY_LEAST, KEY_MOST),
               DUET_ERR_INVALID;
    *out = mem_alloc(len + 1);
    if (*out == NULL)
        return snprintf(why, SETUP_WHY, "out of memory"), DUET_ERR_NOMEM;
    memcpy(*out, text, len);
    (*out)[len] = 0;
    return 0;
}

/* NULL in `out`: neither is named. */
static int read_secret(char **out, const char *file, const char *variable, char why[SETUP_WHY])
{
    const char *value = variable ? getenv(variable) : NULL;
    char *bytes;
    size_t len;
    if (variable != NULL && value == NULL) {
        snprintf(why, SETUP_WHY, "%.100s: there is no such variable in the environment", variable);
        return DUET_ERR_INVALID;
    }
    if (value != NULL)
        return take_secret(out, variable, value, strlen(value), why);
    if (file == NULL)
        return 0;
    int rc = slurp(&bytes, &len, file, KEY_MOST + 2);
    if (rc < 0) {
        snprintf(why, SETUP_WHY, "%.200s: %.90s", file, duet_strerror(rc));
        return rc;
    }
    rc = take_secret(out, file, bytes, slurp_secret_len(bytes, len), why);
    slurp_wipe(bytes, len);
    return rc;
}

static int take_key(struct setup *s, _Atomic(char *) *out, const char *file, const char *variable, char why[SETUP_WHY])
{
    char *text = NULL;
    int rc = read_secret(&text, file, variable, why);
    atomic_store(out, text);
    return rc < 0 ? wrong_at(s, variable ? variable : file, rc, why) : 0;
}

/* The file that was named, or the demo's, which is in the program. */
static int read_config(struct config *c, const struct options *given, char why[SETUP_WHY])
{
    const struct web_file *demo = given->demo ? pages_file(PAGES_DEMO_CONFIG) : NULL;
    struct options_words said;
    struct config_above above = { environ, said.words };
    options_words(given, &said);
    if (demo == NULL)
        return config_read(c, given->config, &above, why);
    return config_parse(c, demo_name, (const char *)demo->data, demo->len, &above, why);
}

/* The demo is its pages, which are open to everybody. */
static int check_demo(const struct options *o, const struct config *c, char why[SETUP_WHY])
{
    const char *other = o->config ? "--config" : o->production ? "--production" : c->root ? "--root" : NULL;
    if (!o->demo || (other == NULL && c->pages))
        return 0;
    if (other == NULL)
        snprintf(why, SETUP_WHY, "--demo serves the built-in pages: take DUET_PAGES away, or start without --demo");
    else
        snprintf(why, SETUP_WHY,
                 "--demo has pages and a configuration of its own, open to everybody: leave --demo or %s away", other);
    return DUET_ERR_INVALID;
}

#define DEMO_SECRET "DUET_TOKEN_SECRET" /* as packaging/demo.yaml names it */

/* The demo's tokens are signed with a secret of this run, which its backends have from the environment, as you would
 * give it to yours. One that is there already goes before it. 0 or a negative error. */
static int make_demo_secret(void)
{
    unsigned char bytes[32];
    char text[2 * sizeof(bytes) + 1];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -errno;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return setenv(DEMO_SECRET, text, 0) < 0 ? -errno : 0;
}

static int read_all(struct setup *s, char why[SETUP_WHY])
{
    const struct config *c = &s->config;
    int rc = s->given->demo ? make_demo_secret() : 0;
    if (rc < 0) {
        snprintf(why, SETUP_WHY, "%s", duet_strerror(rc));
        return rc;
    }
    rc = read_config(&s->config, s->given, why);
    if (rc == 0)
        rc = check_demo(s->given, c, why);
    if (rc == 0)
        rc = take_key(s, &s->api_key, c->api.key_file, c->api.key_env, why);
    if (rc == 0)
        rc = take_key(s, &s->admin_token, c->admin.token_file, c->admin.token_env, why);
    if (rc < 0)
        return rc;
    rc = put_together(s);
    if (rc == 0)
        rc = hub_doors_new(&s->doors);
    if (rc < 0)
        snprintf(why, SETUP_WHY, "%s", duet_strerror(rc));
    return rc == 0 ? set_doors(s->doors, s, why) : rc;
}

int setup_begin(struct setup *s, const struct options *given, setup_tell *tell, void *arg, char why[SETUP_WHY])
{
    *s = (struct setup){ .given = given, .options = *given };
    int rc = read_all(s, why);
    unsigned open = rc == 0 && given->production ? setup_open_doors(s, tell, arg) : 0;
    if (open == 0)
        return rc;
    snprintf(why, SETUP_WHY, "--production: %u %s open to everybody, as said above; without --production it starts",
             open, open == 1 ? "door is" : "doors are");
    return DUET_ERR_INVALID;
}

static void wipe(char *secret)
{
    slurp_wipe(secret, secret ? strlen(secret) : 0);
}

void setup_fini(struct setup *s)
{
    config_fini(&s->config);
    if (s->reread)
        config_fini(&s->latest);
    hub_doors_free(s->doors);
    wipe(s->api_key);
    wipe(s->admin_token);
    while (s->old_secrets != NULL) {
        struct secret *next = s->old_secrets->next;
        wipe(s->old_secrets->text);
        mem_free(s->old_secrets);
        s->old_secrets = next;
    }
    mem_free(s->certs);
    mem_free(s->keys);
}

/* Who may not come in may do nothing. */
static void shut_out(struct hub_options *o)
{
    o->allow_subscribe_for_anonymous = o->allow_publish_for_anonymous = false;
    o->allow_history_for_anonymous = o->allow_presence_for_anonymous = false;
}

struct hub_config setup_hub(const struct setup *s)
{
    for (size_t i = 0; !s->config.clients.anonymous && i < s->config.namespaces_count; i++)
        shut_out(&s->config.namespaces[i]);
    return (struct hub_config){
        .namespaces = s->config.namespaces,
        .count = s->config.namespaces_count,
        .any_namespace = s->given->config == NULL,
        .limits = s->config.limits,
    };
}

struct hooks_config setup_hooks(const struct setup *s)
{
    const struct config *c = &s->config;
    return (struct hooks_config){
        .urls = { [HOOK_CONNECT] = c->hooks.connect,
                  [HOOK_REFRESH] = c->hooks.refresh,
                  [HOOK_SUBSCRIBE] = c->hooks.subscribe,
                  [HOOK_SUB_REFRESH] = c->hooks.sub_refresh,
                  [HOOK_PUBLISH] = c->hooks.publish,
                  [HOOK_RPC] = c->hooks.rpc,
                  [HOOK_SEND] = c->hooks.send },
        .events_url = c->hooks.events,
        .folder = s->options.data,
        .timeout_ms = (unsigned)c->hooks.timeout_ms,
    };
}

bool setup_has_hooks(const struct setup *s)
{
    struct hooks_config h = setup_hooks(s);
    for (int i = 0; i < HOOK_KINDS; i++)
        if (h.urls[i] != NULL)
            return true;
    return h.events_url != NULL;
}

/* Open doors. */

struct porter {
    const struct setup *s;
    setup_tell *tell;
    void *arg;
    unsigned open;
};

/* `field` is where it was said. */
static void check(struct porter *p, bool open, const void *field, const char *space, const char *what,
                  const char *remedy)
{
    char said[SAID], place[CONFIG_WHERE];
    if (!open)
        return;
    p->open++;
    setup_where(p->s, field, place);
    snprintf(said, sizeof(said), "%s%s%s%s; %s", place, space, space[0] ? ": " : "", what, remedy);
    p->tell(p->arg, said);
}

static void check_channels(struct porter *p, const struct hub_options *o, const struct hub_options *said)
{
    char space[HUB_NAMESPACE_MOST + 20] = "channels";
    if (o->name[0] != 0)
        snprintf(space, sizeof(space), "namespace %s", o->name);
    check(p, o->allow_subscribe_for_anonymous, &said->allow_subscribe_for_anonymous, space,
          "anybody may subscribe without a token",
          "allow_subscribe_for_anonymous: false, or clients.anonymous: false, closes it");
    check(p, o->allow_publish_for_anonymous, &said->allow_publish_for_anonymous, space,
          "anybody may publish without a token",
          "allow_publish_for_anonymous: false, or clients.anonymous: false, closes it");
    check(p, o->allow_history_for_anonymous, &said->allow_history_for_anonymous, space,
          "anybody may read the history without a token",
          "allow_history_for_anonymous: false, or clients.anonymous: false, closes it");
    check(p, o->allow_presence_for_anonymous, &said->allow_presence_for_anonymous, space,
          "anybody may ask who is there without a token",
          "allow_presence_for_anonymous: false, or clients.anonymous: false, closes it");
}

static bool any_origin(const char *const *origins)
{
    for (; *origins != NULL; origins++)
        if (strcmp(*origins, "*") == 0)
            return true;
    return false;
}

unsigned setup_open_doors(const struct setup *s, setup_tell *tell, void *arg)
{
    const struct config *c = &s->config;
    struct porter p = { .s = s, .tell = tell, .arg = arg };
    setup_hub(s); /* what nobody may who may not come in */
    check_channels(&p, &c->namespaces[0], &c->channels);
    for (size_t i = 0; i < c->spaces_count; i++)
        check_channels(&p, &c->namespaces[i + 1], &c->spaces[i]);
    check(&p, s->api_key == NULL, &c->api.key_file, "api",
          "every program on this machine may publish, and who comes by "
          "a proxy on it that hides them",
          "api.key_file or api.key_env closes it");
    check(&p, s->admin_token == NULL, &c->admin.listen, "admin",
          s->options.admin ? "everybody who reaches its address reads the metrics, and may publish by /admin"
                           : "every program on this machine reads the metrics and may publish by /admin, and who "
                             "comes by a proxy on it that hides them",
          "admin.token_file or admin.token_env closes it");
    check(&p, any_origin(s->options.origins), &c->origins, "origins", "the pages of every site may connect",
          "name the sites instead of *");
    check(&p, c->pages, &c->pages, "pages", "the built-in pages and what they demonstrate are there",
          "pages: false takes them away");
    return p.open;
}

/* Reading it again. */

struct reload {
    setup_say *say;
    void *arg;
    bool live; /* which of the keys are told of */
};

static void tell_difference(void *arg, const char *key, bool live)
{
    const struct reload *r = arg;
    if (live == r->live)
        r->say(r->arg, true, live ? "config_changed" : "config_needs_restart", key);
}

/* Whether a namespace begins or ends to keep a history, which a running hub does not do. */
static void tell_history(const struct config *old, const struct config *fresh, const struct reload *r)
{
    for (size_t i = 0; i < old->namespaces_count; i++)
        for (size_t k = 0; k < fresh->namespaces_count; k++) {
            const struct hub_options *a = &old->namespaces[i], *b = &fresh->namespaces[k];
            bool had = a->history_size > 0 && a->history_ttl_ms > 0, has = b->history_size > 0 && b->history_ttl_ms > 0;
            char what[HUB_NAMESPACE_MOST + 80];
            if (strcmp(a->name, b->name) != 0 || had == has)
                continue;
            snprintf(what, sizeof(what), "%s%s: whether there is a history", b->name[0] ? "namespaces." : "channels",
                     b->name);
            r->say(r->arg, true, "config_needs_restart", what);
        }
}

/* A secret that may be another by now; the old one stays for who is just looking at it. */
static int renew_secret(struct setup *s, _Atomic(char *) *secret, _Atomic(char *) *fresh, const char *what,
                        const struct reload *r)
{
    const char *now = atomic_load(secret), *then = atomic_load(fresh);
    if (now == NULL || then == NULL || strcmp(then, now) == 0)
        return 0;
    struct secret *old = mem_alloc(sizeof(*old));
    if (old == NULL)
        return DUET_ERR_NOMEM;
    *old = (struct secret){ .next = s->old_secrets, .text = atomic_exchange(secret, atomic_exchange(fresh, NULL)) };
    s->old_secrets = old;
    r->say(r->arg, true, "config_changed", what);
    return 0;
}

static int take_over(struct setup *s, struct setup *fresh, struct hub *hub, const struct reload *r, char why[SETUP_WHY])
{
    int rc = set_doors(s->doors, fresh, why); /* the only one that fails for more than memory */
    if (rc < 0)
        return rc;
    rc = renew_secret(s, &s->api_key, &fresh->api_key, "the API's key", r);
    if (rc == 0)
        rc = renew_secret(s, &s->admin_token, &fresh->admin_token, "the operators' token", r);
    for (size_t i = 0; !s->config.clients.anonymous && i < fresh->config.namespaces_count; i++)
        shut_out(&fresh->config.namespaces[i]);
    if (rc == 0)
        rc = hub_reload(hub, fresh->config.namespaces, fresh->config.namespaces_count);
    if (rc < 0)
        snprintf(why, SETUP_WHY, "%s", duet_strerror(rc));
    return rc;
}

int setup_take_over(struct setup *s, struct setup *fresh, struct hub *hub, setup_say *say, void *arg)
{
    struct reload r = { .say = say, .arg = arg };
    char why[SETUP_WHY];
    int rc = take_over(s, fresh, hub, &r, why);
    if (rc < 0) {
        say(arg, false, "config_reload_failed", why);
        return rc;
    }
    tell_history(&s->config, &fresh->config, &r);
    config_compare(&s->config, &fresh->config, tell_difference, &r);
    r.live = true;
    config_compare(s->reread ? &s->latest : &s->config, &fresh->config, tell_difference, &r);
    if (s->reread)
        config_fini(&s->latest);
    s->latest = fresh->config;
    s->reread = true;
    fresh->config = (struct config){ .listen = NULL };
    return 0;
}
