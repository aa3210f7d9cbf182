/* SPDX-License-Identifier: MIT */
#include "hub/config.h"
#include "base/mem.h"
#include "hub/confkeys.h"
#include "hub/confvalue.h"
#include "test.h"
#include <duet/error.h>
#include <unistd.h>

static struct config config;
static char why[CONFIG_WHY];

static int parse(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1); /* exactly, so that a look beyond the end is seen */
    memcpy(copy, text, len);
    int rc = config_parse(&config, "duet.yaml", copy, len, NULL, why);
    free(copy);
    return rc;
}

static void good(const char *text)
{
    if (parse(text) != 0)
        fail_msg("%s: %s", text, why);
}

static void bad(const char *text, const char *sentence)
{
    int rc = parse(text);
    config_fini(&config);
    if (rc != DUET_ERR_INVALID || strncmp(why, "duet.yaml:", 10) != 0 || strcmp(why + 10, sentence) != 0)
        fail_msg("%s: %d %s", text, rc, rc ? why : "");
}

TEST(config, of_nothing_is_the_defaults)
{
    struct config fresh;
    static const char *const empty[] = { "",      "\n", "# nothing\n",
                                         "---\n", "{}", "tokens:\nchannels:\nnamespaces:\ntls:\n" };
    config_init(&fresh);
    for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
        good(empty[i]);
        assert_true(config.pages && config.deflate && config.clients.anonymous);
        assert_null(config.listen);
        assert_int_equal(config.limits.recovery_max, fresh.limits.recovery_max);
        assert_int_equal(config.namespaces_count, 1);
        assert_int_equal(config.namespaces[0].message_max, 65536);
        config_fini(&config);
    }
    config_fini(&fresh);
}

TEST(config, of_all_kinds_is_read)
{
    good("listen: [http://127.0.0.1:8080, 'unix:/run/duet.sock']\n"
         "origins: https://example.com\n"
         "threads: 4\n"
         "log: json\n"
         "pages: false\n"
         "root: /srv/my site\n"
         "tls:\n"
         "  - cert: a.pem\n"
         "    key: a.key\n"
         "  - { cert: b.pem, key: b.key }\n"
         "tokens: { secret_file: /etc/secret, algorithms: [HS256, HS512], leeway: 1m, audience: \"duet\" }\n"
         "limits:\n"
         "  history_bytes: 1GiB\n"
         "  channels_per_connection: 7\n"
         "channels:\n"
         "  history_size: 100\n"
         "  history_ttl: 1h30m\n"
         "  allow_recovery: true\n"
         "namespaces:\n"
         "  - name: chat\n"
         "    kinds: [json, text]\n"
         "    force_recovery_mode: cache\n"
         "    force_recovery: true\n"
         "    history_size: 1\n"
         "    history_ttl: 500ms\n"
         "    allowed_delta_types: [fossil]\n"
         "    channel_regex: ^[a-z]+$\n"
         "  - name: n2\n"
         "    message_max: 1000\n");
    assert_string_equal(config.listen[0], "http://127.0.0.1:8080");
    assert_string_equal(config.listen[1], "unix:/run/duet.sock");
    assert_null(config.listen[2]);
    assert_string_equal(config.origins[0], "https://example.com");
    assert_null(config.origins[1]);
    assert_int_equal(config.threads, 4);
    assert_int_equal(config.log, CONFIG_LOG_JSON);
    assert_false(config.pages);
    assert_string_equal(config.root, "/srv/my site");
    assert_int_equal(config.tls_count, 2);
    assert_string_equal(config.tls[1].cert, "b.pem");
    assert_string_equal(config.tokens.audience, "duet");
    assert_int_equal(config.tokens.leeway_ms, 60000);
    assert_int_equal(config_keys(&config).algorithms, hub_algorithm("HS256", 5) | hub_algorithm("HS512", 5));
    assert_int_equal(config.limits.history_bytes, 1 << 30);
    assert_int_equal(config.limits.channels_per_connection, 7);
    assert_int_equal(config.namespaces_count, 3);
    const struct hub_options *o = config.namespaces;
    assert_string_equal(o[0].name, "");
    assert_int_equal(o[0].history_ttl_ms, 5400000);
    assert_true(o[0].allow_recovery);
    assert_string_equal(o[1].name, "chat");
    assert_int_equal(o[1].kinds, 1 << HUB_JSON | 1 << HUB_TEXT);
    assert_true(o[1].cache);
    assert_int_equal(o[1].history_ttl_ms, 500);
    assert_int_equal(o[1].message_max, 65536);
    assert_true(o[1].allow_delta_fossil);
    assert_string_equal(o[1].channel_regex, "^[a-z]+$");
    assert_int_equal(o[2].message_max, 1000);
    assert_int_equal(config_line(&config, &config.threads), 3);
    assert_int_equal(config_line(&config, &config.deflate), 0);
    config_fini(&config);
}

/* OPS-8 */
TEST(config, tells_what_is_wrong_and_where)
{
    bad("threads: 1\nlistn: x\n", "2: there is no `listn`; did you mean `listen`?");
    bad("namespaces:\n  - name: chat\n    histroy_size: 1\n",
        "3: there is no `histroy_size` in namespaces; did you mean `history_size`?");
    bad("something: 1\n", "1: there is no `something`");
    bad("tokens:\n  secret: abc\n", "2: secrets are not written here: secret_file says in which file it is");
    bad("api:\n  key: abc\n", "2: secrets are not written here: key_file says in which file it is");
    bad("admin: {token: abc}\n", "1: secrets are not written here: token_file says in which file it is");
    bad("threads: 1\nthreads: 1\n", "2: threads is there twice");
    bad("threads: 0\n", "1: threads: a number from 1 to 256 is expected");
    bad("threads: 257\n", "1: threads: a number from 1 to 256 is expected");
    bad("threads: -1\n", "1: threads: a number from 1 to 256 is expected");
    bad("threads: 1.5\n", "1: threads: a number from 1 to 256 is expected");
    bad("threads: 0x10\n", "1: threads: a number from 1 to 256 is expected");
    bad("threads: '4'\n", "1: threads: a number from 1 to 256 is expected");
    bad("threads: [4]\n", "1: threads: a number from 1 to 256 is expected");
    bad("threads:\n", "1: threads: a number from 1 to 256 is expected");
    bad("threads: 99999999999999999999\n", "1: threads: a number from 1 to 256 is expected");
    bad("pages: yes\n", "1: pages: true or false is expected");
    bad("pages: True\n", "1: pages: true or false is expected");
    bad("log: xml\n", "1: log: auto, json or human is expected");
    bad("root: ''\n", "1: root: a text is expected");
    bad("root: \"a\\nb\"\n", "1: root: a text is expected");
    bad("root: [a]\n", "1: root: a text is expected");
    bad("listen: {a: b}\n", "1: listen: a list of texts, such as [a, b] is expected");
    bad("listen:\n  - a\n  - [b]\n", "3: listen: a list of texts, such as [a, b] is expected");
    bad("clients:\n  ping: 25\n", "2: ping: a time such as 500ms, 25s, 10m, 1h30m or 7d, from 1s to 1d is expected");
    bad("clients:\n  queue_max_size: 1MB\n",
        "2: queue_max_size: a size in bytes, KiB, MiB or GiB from 1KiB to 1GiB is expected");
    bad("channels:\n  kinds: [json, xml]\n", "2: kinds: a list of json, text or binary is expected");
    bad("channels: 5\n", "1: channels: keys and values are expected, such as listen: http://127.0.0.1:8080");
    bad("namespaces: chat\n", "1: namespaces: a list of keys and values, each begun by - is expected");
    bad("namespaces:\n  - chat\n", "2: namespaces: a list of keys and values, each begun by - is expected");
    bad("namespaces:\n  - name: a.b\n", "2: name: a name of 2 to 64 letters, digits, - and _ is expected");
    bad("[1]", "1: keys and values are expected, such as listen: http://127.0.0.1:8080");
    bad("? [a]\n: b\n", "1: a key is expected");
    bad("threads: 1\n---\nthreads: 2\n", "2: a second document (---) is not expected");
    bad("a: &x [*x]\n", "1: there is no `a`");
    bad("listen: &x [*x]\n", "1: listen: a list of texts, such as [a, b] is expected");
    assert_int_equal(parse("threads: [1\n\n}"), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "this is no YAML: "));
    config_fini(&config);
    assert_int_equal(parse("a: \xff\n"), DUET_ERR_INVALID);
    config_fini(&config);
}

#define HISTORY "history_size: 1\n  history_ttl: 1s\n  "

TEST(config, tells_what_does_not_go_together)
{
    bad("channels:\n  history_size: 10\n", "2: history_size needs history_ttl, such as 10m");
    bad("channels:\n  history_ttl: 10m\n", "2: history_ttl needs history_size, such as 100");
    bad("channels:\n  history_size: 1\n  history_ttl: 2h\n  history_meta_ttl: 1h\n",
        "3: history_ttl is at most history_meta_ttl: what is kept has a position");
    bad("namespaces:\n  - name: ab\n  - name: cd\n    force_recovery: true\n",
        "4: force_recovery needs history_size and history_ttl");
    bad("channels:\n  allow_recovery: true\n", "2: allow_recovery needs history_size and history_ttl");
    bad("channels:\n  force_positioning: true\n", "2: force_positioning needs history_size and history_ttl");
    bad("channels:\n  allow_positioning: true\n", "2: allow_positioning needs history_size and history_ttl");
    bad("channels:\n  " HISTORY "force_recovery_mode: cache\n",
        "4: force_recovery_mode cache needs force_recovery or allow_recovery");
    bad("channels:\n  " HISTORY "allow_recovery: true\n  auto_cache_recover: true\n",
        "5: auto_cache_recover needs force_recovery_mode: cache");
    bad("channels:\n  allow_history_for_client: true\n",
        "2: allow_history_for_client needs history_size and history_ttl");
    bad("channels:\n  allow_history_for_anonymous: true\n",
        "2: allow_history_for_anonymous needs history_size and history_ttl");
    bad("channels:\n  allow_history_for_subscriber: true\n",
        "2: allow_history_for_subscriber needs history_size and history_ttl");
    bad("channels:\n  allow_presence_for_client: true\n", "2: allow_presence_for_client needs presence: true");
    bad("channels:\n  allow_presence_for_anonymous: true\n", "2: allow_presence_for_anonymous needs presence: true");
    bad("channels:\n  allow_presence_for_subscriber: true\n", "2: allow_presence_for_subscriber needs presence: true");
    bad("channels:\n  force_push_join_leave: true\n", "2: force_push_join_leave needs join_leave: true");
    bad("channels:\n  delta_publish: true\n", "2: delta_publish needs allowed_delta_types: [fossil]");
    bad("channels:\n  kinds: []\n", "2: kinds needs one of json, text and binary, or nothing could be published");
    bad("channels:\n  subscribe_hook: true\n", "2: subscribe_hook needs hooks.subscribe");
    bad("channels:\n  publish_hook: true\n", "2: publish_hook needs hooks.publish");
    bad("channels:\n  occupancy_hook: true\n", "2: occupancy_hook needs hooks.events");
    bad("namespaces:\n  - name: chat\n  - name: chat\n", "3: namespace `chat`: is there twice");
    bad("namespaces:\n  - presence: true\n", "2: a namespace needs a name");
    bad("namespaces:\n  - {name: chat}\n  - name: room\n    channel_regex: '('\n",
        "4: namespace `room`: Unmatched ( or \\(");
    bad("channels:\n  channel_regex: '['\n", "2: namespace ``: Invalid regular expression");
    bad("tls:\n  - cert: a\n", "2: a cert needs its key: FILE");
    bad("tls:\n  - key: a\n", "2: a key needs its cert: FILE");
    bad("listen: []\n", "1: listen needs an address");
    bad("proxy_protocol: true\n",
        "1: proxy_protocol needs trusted_proxies (--trusted-proxy): who else may say where a connection comes from?");
    bad("tokens:\n  secret_file: a\n  jwks_file: b\n",
        "3: of secret_file, secret_env, public_key_file and jwks_file only one says what tokens are signed with");
    bad("tokens:\n  audience: a\n", "2: tokens need a key: secret_file, secret_env, public_key_file or jwks_file");
    bad("tokens:\n  allow_without_exp: true\n",
        "2: tokens need a key: secret_file, secret_env, public_key_file or jwks_file");
    bad("tokens:\n  secret_env: A\n  algorithms: [HS256, none]\n",
        "3: algorithms: HS256, HS384, HS512, RS256.., PS256.. or ES256.. is expected");
    bad("tokens:\n  secret_env: A\n  algorithms: []\n", "3: algorithms needs one, or is left out");
    bad("api:\n  key_file: a\n  key_env: b\n", "3: of key_file and key_env only one says the key");
    bad("admin:\n  token_file: a\n  token_env: b\n", "3: of token_file and token_env only one says the token");
    bad("api:\n  listen: http://a\n", "2: api needs key_file (--api-key-file) or key_env: who may publish?");
    bad("clients:\n  anonymous: false\n", "2: without anonymous clients there have to be tokens, or hooks.connect");
    bad("hooks:\n  refresh: http://a\n", "2: refresh is of connections that hooks.connect let in: it needs that");
    bad("hooks:\n  sub_refresh: http://a\n",
        "2: sub_refresh is of subscriptions that hooks.subscribe allowed: it needs that");
    static const char *const urls[] = { "ftp://a", "a", "http://", "https:///p", "http://a b", "file:///etc/passwd" };
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        char text[100];
        snprintf(text, sizeof(text), "hooks:\n  rpc: '%s'\n", urls[i]);
        bad(text, "2: http://HOST/PATH or https://HOST/PATH is expected");
    }
    /* HUB-12 */
    static const char *const own[] = { "Host", "content-length", "Accept",           "Accept-Encoding",
                                       "TE",   "User-Agent",     "sec-websocket-key" };
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
        char text[100];
        snprintf(text, sizeof(text), "hooks:\n  headers: [Cookie, %s]\n", own[i]);
        bad(text, "2: headers: Host, Connection, Content-Type and their like are the request's own; name others");
    }
    bad("hooks:\n  headers: ['A: b']\n", "2: headers: names of fields are expected, such as [Cookie]");
    bad("store:\n  engine: sqlite\n", "2: engine sqlite needs data (--data): the folder where it is kept");
    bad("store:\n  data: /a\n", "2: data is of engine sqlite; engine memory keeps nothing there");
    /* And what does. */
    good("channels:\n  " HISTORY "allow_recovery: true\n  force_recovery_mode: cache\n  delta_publish: true\n"
         "  allowed_delta_types: [fossil]\n  presence: true\n  allow_presence_for_client: true\n"
         "clients: {anonymous: false}\nhooks: {connect: 'http://a'}\nstore: {engine: sqlite, data: /a}\n"
         "listen: wss://a\ntls: [{cert: a, key: b}]\nproxy_protocol: true\ntrusted_proxies: unix\n");
    config_fini(&config);
    good("hooks: {connect: 'HTTPS://a:1/b?c', refresh: 'http://a', subscribe: 'http://[::1]:1/', sub_refresh: "
         "'http://a',\n"
         "  publish: 'http://a', events: 'http://a', headers: [Cookie, X-Real-IP, Accept-Language]}\n"
         "channels: {subscribe_hook: true, publish_hook: true, occupancy_hook: true}\n");
    config_fini(&config);
}

static uint64_t duration(const char *text)
{
    uint64_t ms;
    return confvalue_duration(&ms, text, strlen(text)) ? ms : UINT64_MAX;
}

TEST(config, has_times_and_sizes)
{
    static const char *const no_times[] = { "",
                                            "1",
                                            "s",
                                            "1 s",
                                            "1S",
                                            "1.5s",
                                            "-1s",
                                            "1sm",
                                            "1s1m",
                                            "1m1m",
                                            "1ss",
                                            "+1s",
                                            "00",
                                            "99999999999999999999s",
                                            "213503982334601302d",
                                            "1h 1m" };
    static const char *const no_sizes[] = {
        "", "KiB", "1 KiB", "1KB", "1kib", "1KiBs", "-1", "17179869184GiB", "1KiB1"
    };
    uint64_t bytes;
    assert_int_equal(duration("0"), 0);
    assert_int_equal(duration("0s"), 0);
    assert_int_equal(duration("7ms"), 7);
    assert_int_equal(duration("10m"), 600000);
    assert_int_equal(duration("1d2h3m4s5ms"), 93784005);
    for (size_t i = 0; i < sizeof(no_times) / sizeof(*no_times); i++)
        assert_int_equal(duration(no_times[i]), UINT64_MAX);
    assert_true(confvalue_size(&bytes, "65", 2) && bytes == 65);
    assert_true(confvalue_size(&bytes, "64KiB", 5) && bytes == 65536);
    assert_true(confvalue_size(&bytes, "3MiB", 4) && bytes == 3 << 20);
    assert_true(confvalue_size(&bytes, "16GiB", 5) && bytes == UINT64_C(16) << 30);
    for (size_t i = 0; i < sizeof(no_sizes) / sizeof(*no_sizes); i++)
        assert_false(confvalue_size(&bytes, no_sizes[i], strlen(no_sizes[i])));
}

/* Every limit of the table: one less, the least and the most, one more. */
static void check_limits(const struct confkey *keys, void *base)
{
    for (; keys->name != NULL; keys++) {
        if (keys->kind == CONF_SECTION)
            check_limits(keys->inner, (char *)base + keys->at);
        if (keys->kind != CONF_COUNT && keys->kind != CONF_SIZE && keys->kind != CONF_DURATION)
            continue;
        const uint64_t at[] = { keys->least - 1, keys->least, keys->least + 1,
                                keys->most - 1,  keys->most,  keys->most + 1 };
        for (int i = 0; i < 6; i++) {
            char text[40];
            int n = snprintf(text, sizeof(text), "%llu%s", (unsigned long long)at[i],
                             keys->kind == CONF_DURATION ? "ms" : "");
            bool is_good = at[i] >= keys->least && at[i] <= keys->most;
            if (confvalue_take(keys, base, text, (size_t)n, why) != (is_good ? 0 : DUET_ERR_INVALID))
                fail_msg("%s: %s: %s", keys->name, text, why);
        }
    }
}

TEST(config, has_limits)
{
    config_init(&config);
    check_limits(confkeys, &config);
    config_fini(&config);
}

/* What the example shows as defaults are; and everything that it shows can be taken. */
static void check_shown(const struct confkey *keys, void *base, const void *defaults)
{
    for (; keys->name != NULL; keys++) {
        char text[200];
        assert_true(keys->what != NULL || keys->kind == CONF_TEXT);
        if (keys->kind == CONF_SECTION)
            check_shown(keys->inner, (char *)base + keys->at, (const char *)defaults + keys->at);
        if (keys->kind >= CONF_NAME)
            continue;
        const char *shown = keys->shown;
        size_t len = strlen(shown);
        if (keys->kind == CONF_LIST || keys->kind == CONF_WORDS) {
            assert_true(shown[0] == '[' && shown[len - 1] == ']');
            snprintf(text, sizeof(text), "%.*s", (int)len - 2, shown + 1);
            assert_int_equal(confvalue_clear(keys, base, why), 0);
            for (char *save, *w = strtok_r(text, ", ", &save); w != NULL; w = strtok_r(NULL, ", ", &save))
                assert_int_equal(confvalue_add(keys, base, w, strlen(w), why), 0);
        } else if (confvalue_take(keys, base, shown, len, why) != 0) {
            fail_msg("%s: %s: %s", keys->name, shown, why);
        }
        if (keys->fallback && !confvalue_equal(keys, base, defaults))
            fail_msg("%s is not %s", keys->name, shown);
    }
}

TEST(config, example_shows_the_defaults)
{
    struct config defaults;
    config_init(&defaults);
    config_init(&config);
    check_shown(confkeys, &config, &defaults);
    config_fini(&config);
    config_fini(&defaults);
}

/* The example is a configuration; so it is with each line that it shows in its place, but for what does not go
 * together. */
TEST(config, example_can_be_read)
{
    struct buf b;
    unsigned lines = 0;
    buf_init(&b, NULL, 0);
    config_example(&b);
    buf_put(&b, "", 1);
    assert_false(b.failed);
    good(b.at);
    config_fini(&config);
    for (char *line = b.at, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *hash = line + strspn(line, " ");
        if (hash > end || *hash != '#' || memchr(hash, ':', (size_t)(end - hash)) == NULL)
            continue;
        char *colon = memchr(hash, ':', (size_t)(end - hash));
        bool is_key = strspn(hash + 2, "abcdefghijklmnopqrstuvwxyz_") == (size_t)(colon - hash - 2) && colon[1] == ' ';
        if (!is_key)
            continue;
        hash[0] = hash[1] = ' ';
        /* Two spaces are what the sign and its space took; so the line moves back. */
        memmove(hash, hash + 2, (size_t)(end - hash - 2));
        memset(end - 2, ' ', 2);
        int rc = parse(b.at);
        if (rc != 0 &&
            (strstr(why, "expected") != NULL || strstr(why, "there is no") != NULL || strstr(why, "YAML") != NULL))
            fail_msg("%.*s: %s", (int)(end - line), line, why);
        config_fini(&config);
        memmove(hash + 2, hash, (size_t)(end - hash - 2));
        hash[0] = '#';
        hash[1] = ' ';
        lines++;
    }
    assert_true(lines > 60);
    buf_fini(&b);
}

static char *const environment[] = {
    "DUET_THREADS=3",       "PATH=/bin", "DUET_LISTEN=http://a,http://b", "DUET_TOKENS_ISSUER=me",
    "DUET_CLIENTS_PING=7s", NULL
};
static const struct config_above above = { environment, NULL };

TEST(config, shows_what_holds_in_a_channel)
{
    struct hub_options o;
    struct buf b;
    hub_options_default(&o);
    o.history_size = 7;
    o.history_ttl_ms = 90 * 1000;
    o.cache = o.presence = o.allow_delta_fossil = true;
    o.kinds = 1u << HUB_JSON | 1u << HUB_BINARY;
    o.channel_regex = (char[]){ "^\"$" };
    buf_init(&b, NULL, 0);
    config_show(&b, &o);
    buf_put(&b, "", 1);
    assert_false(b.failed);
    static const char *const parts[] = {
        "{\"history_size\":7,\"history_ttl\":\"90s\",\"history_meta_ttl\":\"30d\",\"force_recovery_mode\":\"cache\",",
        "\"presence\":true,",
        "\"join_leave\":false,",
        "\"kinds\":[\"json\",\"binary\"],",
        "\"message_max\":65536,",
        "\"allowed_delta_types\":[\"fossil\"],",
        "\"channel_regex\":\"^\\\"$\",",
        "\"occupancy_hook\":false}",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (strstr(b.at, parts[i]) == NULL)
            fail_msg("%s is not in %s", parts[i], b.at);
    buf_fini(&b);
}

TEST(config, of_the_environment_goes_before_the_file)
{
    static const char text[] = "threads: 2\nlisten: http://c\ndeflate: false\ntokens: {secret_env: A}\n";
    assert_int_equal(config_parse(&config, "f", text, strlen(text), &above, why), 0);
    assert_int_equal(config.threads, 3);
    assert_string_equal(config.listen[0], "http://a");
    assert_string_equal(config.listen[1], "http://b");
    assert_null(config.listen[2]);
    assert_string_equal(config.tokens.issuer, "me");
    assert_int_equal(config.clients.ping_ms, 7000);
    assert_false(config.deflate);
    config_fini(&config);
}

static const char *const two[] = { "http://d", "http://e", NULL };
static const struct config_word words[] = {
    { .key = "listen", .by = "--listen", .list = two },
    { .key = "threads", .by = "--threads", .text = "5" },
    { .key = "api.key_file", .by = "--api-key-file", .text = "k" },
    { .key = "api.key_env", .by = "--api-key-file" },
    { .key = "store.engine", .by = "--data", .text = "sqlite" },
    { .key = "store.data", .by = "--data", .text = "d" },
    { NULL },
};

TEST(config, of_the_command_line_goes_before_both)
{
    static const char text[] = "threads: 2\nlisten: http://c\napi: {listen: http://f, key_env: A}\n"
                               "store: {engine: sqlite, data: e}\ntokens: {secret_env: A}\n";
    static const struct config_above all = { environment, words };
    char place[CONFIG_WHERE];
    assert_int_equal(config_parse(&config, "f", text, strlen(text), &all, why), 0);
    assert_int_equal(config.threads, 5);
    assert_string_equal(config.listen[0], "http://d");
    assert_string_equal(config.listen[1], "http://e");
    assert_null(config.listen[2]);
    assert_string_equal(config.api.key_file, "k");
    assert_null(config.api.key_env);
    assert_int_equal(config.store.engine, CONFIG_SQLITE);
    assert_string_equal(config.store.data, "d");
    assert_string_equal(config.tokens.issuer, "me"); /* the environment's, of which it says nothing */
    static const struct {
        const void *what;
        const char *place;
    } rows[] = {
        { &config.listen, "--listen: " },     { &config.threads, "--threads: " },
        { &config.store.engine, "--data: " }, { &config.tokens.issuer, "DUET_TOKENS_ISSUER: " },
        { &config.api.listen, "f:3: " },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_true(config_where(&config, "f", rows[i].what, place));
        assert_string_equal(place, rows[i].place);
    }
    const char *texts[] = { config.listen[0], config.listen[1], config.store.data, config.api.key_file };
    static const char *const places[] = { "--listen: ", "--listen: ", "--data: ", "--api-key-file: " };
    for (int i = 0; i < 4; i++) {
        assert_true(config_where(&config, "f", texts[i], place));
        assert_string_equal(place, places[i]);
    }
    config_fini(&config);
}

/* What is said of one word of the command line, of this file. */
static const char *said_of_word(const char *text, const struct config_word *word)
{
    const struct config_word one[] = { *word, { NULL } };
    int rc = config_parse(&config, "f", text, strlen(text), &(struct config_above){ NULL, one }, why);
    config_fini(&config);
    return rc < 0 ? why : "";
}

TEST(config, of_the_command_line_is_told_by_the_option)
{
    static const char *const empty[] = { "", NULL }, *const any[] = { "unix", NULL };
    static const struct {
        const char *text;
        struct config_word word;
        const char *said;
    } rows[] = {
        { "", { .key = "threads", .by = "--n", .text = "0" }, "--n: a number from 1 to 256 is expected" },
        { "",
          { .key = "listen", .by = "--listen", .list = empty },
          "--listen: a list of texts, such as [a, b] is expected" },
        { "", { .key = "listen", .by = "--listen" }, "--listen: listen needs an address" },
        { "",
          { .key = "proxy_protocol", .by = "--proxy-protocol", .text = "true" },
          "--proxy-protocol: proxy_protocol needs trusted_proxies (--trusted-proxy): who else may say where a "
          "connection comes from?" },
        { "proxy_protocol: true", { .key = "trusted_proxies", .by = "--trusted-proxy", .list = any }, "" },
        { "proxy_protocol: true\ntrusted_proxies: unix",
          { .key = "trusted_proxies", .by = "--none" },
          "f:1: proxy_protocol needs trusted_proxies (--trusted-proxy): who else may say where a connection "
          "comes from?" },
        { "",
          { .key = "api.listen", .by = "--api-listen", .text = "http://a" },
          "--api-listen: api needs key_file (--api-key-file) or key_env: who may publish?" },
        { "api: {listen: http://a}", { .key = "api.key_file", .by = "--api-key-file", .text = "k" }, "" },
        { "store: {engine: sqlite}", { .key = "store.data", .by = "--data", .text = "d" }, "" },
        { "require_origin: true",
          { .key = "api.key_file", .by = "--api-key-file", .text = "k" },
          "f:1: require_origin keeps those out who come with the API's key: api needs a listen (--api-listen) of its "
          "own" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(said_of_word(rows[i].text, &rows[i].word), rows[i].said);
}

/* What is said of one variable beside others; "": nothing. */
static const char *said_of(const char *text, char *variable)
{
    static char line[CONFIG_WHY];
    char *env[] = { "HOME=/", variable, "DUET_ARGS=x", NULL };
    int rc = config_parse(&config, "f", text, strlen(text), &(struct config_above){ env, NULL }, why);
    snprintf(line, sizeof(line), "%s", rc < 0 ? why : config.doubt ? config.doubt : "");
    if (rc < 0)
        assert_int_equal(rc, DUET_ERR_INVALID);
    config_fini(&config);
    return line;
}

TEST(config, of_the_environment_is_told_by_the_variable)
{
    static const struct {
        const char *text;
        char *variable;
        const char *said;
    } rows[] = {
        { "", "DUET_CHANNELS_HISTORY_SIZE=many", "DUET_CHANNELS_HISTORY_SIZE: a number from 0 to 1000000 is expected" },
        { "", "DUET_CHANNELS_HISTORY_SIZE=9",
          "DUET_CHANNELS_HISTORY_SIZE: history_size needs history_ttl, such as 10m" },
        { "root: /a\nproxy_protocol: false\n", "DUET_PROXY_PROTOCOL=true",
          "DUET_PROXY_PROTOCOL: proxy_protocol needs trusted_proxies (--trusted-proxy): who else may say where a "
          "connection "
          "comes "
          "from?" },
        { "", "DUET_ROOT=", "DUET_ROOT: a text is expected" },
        /* Who misspelt a key of a section would go without. */
        { "", "DUET_TOKENS_ISUER=me",
          "DUET_TOKENS_ISUER: there is no such variable; did you mean DUET_TOKENS_ISSUER?" },
        { "", "DUET_TOKEN_ISSUER=me",
          "DUET_TOKEN_ISSUER: there is no such variable; did you mean DUET_TOKENS_ISSUER?" },
        { "", "DUET_LIMITS_SOMETHING=1", "DUET_LIMITS_SOMETHING: there is no such variable: limits has no such key" },
        { "", "DUET_LIMITS_=1", "DUET_LIMITS_: there is no such variable: limits has no such key" },
        { "", "DUET_TLS_CERT=a", "DUET_TLS_CERT: tls is said in the file alone, as there may be several" },
        { "", "DUET_NAMESPACES_0=a",
          "DUET_NAMESPACES_0: namespaces is said in the file alone, as there may be several" },
        { "", "DUET_API_KEY=a",
          "DUET_API_KEY: nothing says that a secret is there; DUET_API_KEY_ENV=DUET_API_KEY does" },
        { "api: {key_env: DUET_API_KEY}", "DUET_API_KEY=a", "" },
        { "admin: {token_env: DUET_ADMIN_TOKEN}", "DUET_ADMIN_TOKEN=a", "" },
        { "tokens: {secret_env: DUET_TOKENS_MINE}", "DUET_TOKENS_MINE=a", "" },
        { "", "DUET_TOKENS_SECRET=a",
          "DUET_TOKENS_SECRET: nothing says that a secret is there; DUET_TOKENS_SECRET_ENV=DUET_TOKENS_SECRET does" },
        /* What may be of others is only doubted. */
        { "", "DUET_THREAD=2", "DUET_THREAD is no variable of the configuration; did you mean DUET_THREADS?" },
        { "", "DUET_LONG=1", "DUET_LONG is no variable of the configuration; did you mean DUET_LOG?" },
        { "", "DUET_BUILD=a", "" },
        { "", "DUET_BACKEND=a", "" },
        { "", "DUET_TOKEN_SECRET=a", "" },
        { "", "DUET_PASSWORD=a", "" },
        { "", "DUET_=a", "" },
        { "", "DUET=a", "" },
        { "", "DUETS_LIMITS_X=a", "" },
        /* Of services that stand beside it. */
        { "", "DUET_API_SERVICE_HOST=10.0.0.1", "" },
        { "", "DUET_API_SERVICE_PORT_HTTP=80", "" },
        { "", "DUET_API_PORT=tcp://10.0.0.1:80", "" },
        { "", "DUET_ADMIN_PORT_9000_TCP_ADDR=10.0.0.1", "" },
        { "", "DUET_API_PORTS=80", "DUET_API_PORTS: there is no such variable: api has no such key" },
        { "", "DUET_API_PORT_X=80", "DUET_API_PORT_X: there is no such variable: api has no such key" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (strcmp(said_of(rows[i].text, rows[i].variable), rows[i].said) != 0)
            fail_msg("%s: %s", rows[i].variable, said_of(rows[i].text, rows[i].variable));
}

static const char *place_of(const void *what)
{
    static char where[CONFIG_WHERE];
    config_where(&config, "f", what, where);
    return where;
}

TEST(config, knows_where_each_text_was_said)
{
    static const char text[] = "listen:\n  - http://a\n  - http://b\norigins: x\nroot: /a\ntls:\n- cert: a\n  key: b\n"
                               "- {cert: c,\n   key: d}\napi: {key_env: A}\n";
    char *env[] = { "DUET_ORIGINS=y,z", "DUET_ADMIN_LISTEN=http://c", NULL };
    assert_int_equal(config_parse(&config, "f", text, strlen(text), &(struct config_above){ env, NULL }, why), 0);
    assert_string_equal(place_of(config.listen[0]), "f:2: ");
    assert_string_equal(place_of(config.listen[1]), "f:3: ");
    assert_string_equal(place_of(&config.listen), "f:2: ");
    assert_string_equal(place_of(config.origins[0]), "DUET_ORIGINS: ");
    assert_string_equal(place_of(config.origins[1]), "DUET_ORIGINS: ");
    assert_string_equal(place_of(&config.origins), "DUET_ORIGINS: ");
    assert_string_equal(place_of(config.root), "f:5: ");
    assert_string_equal(place_of(config.tls[0].key), "f:8: ");
    assert_string_equal(place_of(config.tls[1].cert), "f:9: ");
    assert_string_equal(place_of(config.tls[1].key), "f:10: ");
    assert_string_equal(place_of(config.admin.listen), "DUET_ADMIN_LISTEN: ");
    assert_string_equal(place_of(config.api.key_env), "f:11: ");
    assert_string_equal(place_of(&config.drain_ms), "");
    assert_string_equal(place_of("http://a"), "");
    config_fini(&config);
}

static char differing[500];

static void note(void *arg, const char *key, bool live)
{
    (void)arg;
    snprintf(differing + strlen(differing), sizeof(differing) - strlen(differing), "%s%s ", live ? "+" : "-", key);
}

/* OPS-2 */
TEST(config, tells_what_differs)
{
    struct config old;
    differing[0] = 0;
    good("threads: 2\nchannels: {presence: true}\nnamespaces: [{name: ab}, {name: cd}]\nlisten: [a, b]\nroot: /a\n"
         "tls: [{cert: a, key: b}]\n");
    old = config;
    good("threads: 3\nnamespaces: [{name: ab}, {name: cd, presence: true}]\nlisten: [a, c]\nroot: /a\n"
         "tokens: {secret_env: B}\ntls: [{cert: a, key: b}]\n");
    config_compare(&old, &config, note, NULL);
    assert_string_equal(differing, "-listen -threads +tokens.secret_env +channels.presence +namespaces.cd.presence ");
    differing[0] = 0;
    config_compare(&config, &config, note, NULL);
    assert_string_equal(differing, "");
    config_fini(&config);
    good("namespaces: [{name: ab}]\nlisten: [a]\n");
    config_compare(&old, &config, note, NULL);
    assert_string_equal(differing, "-listen -threads -root -tls +channels.presence -namespaces ");
    config_fini(&config);
    config_fini(&old);
}

TEST(config, is_read_from_a_file)
{
    char path[] = "/tmp/duet-config-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "threads: 5\n", 11), 11);
    assert_int_equal(config_read(&config, path, NULL, why), 0);
    assert_int_equal(config.threads, 5);
    config_fini(&config);
    /* At the limit, and one more. */
    for (int more = -1; more <= 1; more++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        for (size_t n = 0; n < (size_t)(CONFIG_MOST + more); n++)
            assert_int_equal(pwrite(fd, "\n", 1, (off_t)n), 1);
        assert_int_equal(config_read(&config, path, NULL, why), more <= 0 ? 0 : DUET_ERR_TOO_BIG);
        config_fini(&config);
    }
    close(fd);
    unlink(path);
    assert_true(config_read(&config, path, NULL, why) < 0);
    assert_non_null(strstr(why, "No such file"));
    config_fini(&config);
    assert_int_equal(config_read(&config, NULL, NULL, why), 0);
    config_fini(&config);
}

TEST(config, lives_without_memory)
{
    static const char text[] = "listen: [a, b]\nroot: /a\ntls: [{cert: a, key: b}]\nchannels: {channel_regex: a}\n"
                               "namespaces: [{name: ab}, {name: cd, channel_regex: b}]\ntokens: {secret_env: A}\n";
    for (unsigned long n = 0;; n++) {
        mem_fail(n, false);
        int rc = config_parse(&config, "f", text, strlen(text), &(struct config_above){ environment, words }, why);
        bool enough = mem_fail_end() <= n;
        config_fini(&config);
        assert_int_equal(rc, enough ? 0 : DUET_ERR_NOMEM);
        if (enough)
            break;
        assert_string_equal(why, "out of memory");
    }
}
