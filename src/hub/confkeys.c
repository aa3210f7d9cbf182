/* SPDX-License-Identifier: MIT */
#include "hub/confkeys.h"

#define FIELD(type, field) offsetof(type, field), sizeof(((type *)NULL)->field)
#define DAYS(n)            ((uint64_t)(n)*24 * 3600 * 1000)
#define GIB(n)             ((uint64_t)(n) << 30)

/* clang-format off */
/* A key that is called as its field: of the whole, of a section, of a namespace, of a limit, of a certificate. */
#define C(name, kind, ...) { #name, kind, FIELD(struct config, name), __VA_ARGS__ }
#define IN(section, name, kind, ...) { #name, kind, FIELD(struct config, section.name), __VA_ARGS__ }
#define O(name, kind, ...) { #name, kind, FIELD(struct hub_options, name), __VA_ARGS__ }
#define O_BOOL(name, says) O(name, CONF_BOOL, .live = true, .shown = "false", .fallback = true, .what = says)
#define O_FIXED(name, says) O(name, CONF_BOOL, .shown = "false", .fallback = true, .what = says)
#define L(name, kind, ...) { #name, kind, FIELD(struct config, limits.name), .fallback = true, \
    __VA_ARGS__ }
#define T(name, example) { #name, CONF_TEXT, FIELD(struct config_tls, name), .shown = example }
#define HOOK(name, says) IN(hooks, name, CONF_TEXT, .shown = "http://127.0.0.1:3000/duet/" #name, .what = says)

/* Of a namespace, and of channels without one. Names are Centrifugo's where it has the same. */
#define NAMESPACE_KEYS \
    O(history_size, CONF_COUNT, .live = true, .most = 1000000, .shown = "0", .fallback = true, \
      .what = "How many publications a channel keeps, for who comes late or comes back; with history_ttl."), \
    { "history_ttl", CONF_DURATION, FIELD(struct hub_options, history_ttl_ms), .live = true, .most = DAYS(3650), \
      .shown = "0", .fallback = true, .what = "How long after the last publication they are kept, such as 10m." }, \
    { "history_meta_ttl", CONF_DURATION, FIELD(struct hub_options, history_meta_ttl_ms), .live = true, .least = 1000, \
      .most = DAYS(3650), .shown = "30d", .fallback = true, \
      .what = "How long a channel's position is known after its last use; clients from before start anew." }, \
    { "force_recovery_mode", CONF_CHOICE, FIELD(struct hub_options, cache), .live = true, .words = "stream cache", \
      .shown = "stream", .fallback = true, \
      .what = "What who comes back gets: all that was missed (stream), or the newest only (cache)." }, \
    O_BOOL(auto_cache_recover, "With cache: who subscribes for the first time gets the newest, too, unasked."), \
    O_BOOL(force_recovery, "Every subscriber gets what it missed."), \
    O_BOOL(allow_recovery, "A subscriber that asks for it does."), \
    O_BOOL(force_positioning, "Every subscriber is told when something got lost."), \
    O_BOOL(allow_positioning, "A subscriber that asks for it is."), \
    O_BOOL(presence, "Who is there can be asked."), \
    O_BOOL(join_leave, "Subscribers that ask for it hear who comes and goes."), \
    O_BOOL(force_push_join_leave, "All subscribers hear it."), \
    O_BOOL(allow_subscribe_for_client, "Users may subscribe without a token for the channel."), \
    O_BOOL(allow_subscribe_for_anonymous, "So may those without a user's name."), \
    O_BOOL(allow_publish_for_client, "Users may publish."), \
    O_BOOL(allow_publish_for_anonymous, "So may those without a user's name."), \
    O_BOOL(allow_publish_for_subscriber, "So may subscribers."), \
    O_BOOL(allow_history_for_client, "Users may read the history."), \
    O_BOOL(allow_history_for_anonymous, "So may those without a user's name."), \
    O_BOOL(allow_history_for_subscriber, "So may subscribers."), \
    O_BOOL(allow_presence_for_client, "Users may ask who is there."), \
    O_BOOL(allow_presence_for_anonymous, "So may those without a user's name."), \
    O_BOOL(allow_presence_for_subscriber, "So may subscribers."), \
    O_BOOL(allow_user_limited_channels, "A channel NAME#ann,bob is for the users ann and bob."), \
    O(channel_regex, CONF_TEXT, .shown = "'^[a-z0-9]+$'", \
      .what = "What channels are called behind the namespace: an extended regular expression (POSIX)."), \
    O(kinds, CONF_WORDS, .live = true, .words = "json text binary", .shown = "[json, text, binary]", .fallback = true, \
      .what = "What may be published."), \
    O(message_max, CONF_SIZE, .least = 1, .most = GIB(1), .shown = "64KiB", .fallback = true, \
      .what = "The largest publication."), \
    O(publish_per_s, CONF_COUNT, .live = true, .most = 1000000, .shown = "0", .fallback = true, \
      .what = "What one connection may publish a second, twice that at once; 0: no limit."), \
    O_BOOL(delta_publish, "Publications go out as what changed since the one before, to who takes that."), \
    { "allowed_delta_types", CONF_WORDS, FIELD(struct hub_options, allow_delta_fossil), .live = true, \
      .words = "fossil", .shown = "[]", .fallback = true, .what = "How, when a subscriber asks: fossil." }, \
    O_BOOL(allow_tags_filter, "Subscribers may ask for the publications with certain tags only."), \
    O_FIXED(subscribe_hook, "The backend is asked about subscriptions (hooks.subscribe)."), \
    O_FIXED(publish_hook, "The backend is asked about publications (hooks.publish)."), \
    O_FIXED(occupancy_hook, "The backend hears when a channel gets its first subscriber and loses its last."), \
    { NULL }
/* clang-format on */

static const struct confkey channel_keys[] = { NAMESPACE_KEYS };
static const struct confkey namespace_keys[] = { { "name", CONF_NAME, FIELD(struct hub_options, name), .shown = "chat",
                                                   .what = "Of channels chat:..." },
                                                 NAMESPACE_KEYS };

static void init_namespace(void *element)
{
    hub_options_default(element);
}

static const struct confkey tls_keys[] = { T(cert, "/etc/duet/cert.pem"), T(key, "/etc/duet/key.pem"), { NULL } };

static const struct confkey store_keys[] = {
    IN(store, engine, CONF_CHOICE, .words = "memory sqlite", .shown = "memory", .fallback = true,
       .what = "A restart forgets them (memory), or they are on disk, in `data` (sqlite)."),
    IN(store, data, CONF_TEXT, .shown = "/var/lib/duet", .what = "The folder of engine sqlite; one server at a time."),
    IN(store, durability, CONF_CHOICE, .words = "fsync batch memory", .shown = "fsync", .fallback = true,
       .what = "A publication is acknowledged once it is on disk (fsync), 10 ms before (batch), or the system has it."),
    { NULL },
};

static const struct confkey admin_keys[] = {
    IN(admin, listen, CONF_TEXT, .shown = "http://127.0.0.1:9000",
       .what = "Serve /metrics and /admin on this address only, to everybody who reaches it unless there is a token."),
    IN(admin, token_file, CONF_TEXT, .shown = "/etc/duet/admin-token",
       .what = "Operators come with this secret: Authorization: Bearer TOKEN; /admin asks for it."),
    IN(admin, token_env, CONF_TEXT, .shown = "DUET_ADMIN_TOKEN", .what = "Or it is in this variable."),
    { NULL },
};

static const struct confkey api_keys[] = {
    IN(api, listen, CONF_TEXT, .shown = "http://127.0.0.1:8001",
       .what = "Serve /api on this address, and nowhere else."),
    IN(api, key_file, CONF_TEXT, .shown = "/etc/duet/api-key", .what = "Requests come with this key (X-API-Key)."),
    IN(api, key_env, CONF_TEXT, .shown = "DUET_API_KEY", .what = "Or it is in this variable."),
    { NULL },
};

static const struct confkey token_keys[] = {
    IN(tokens, secret_file, CONF_TEXT, .live = true, .shown = "/etc/duet/token-secret",
       .what = "The secret that tokens are signed with, 32 bytes at least: openssl rand -hex 32"),
    IN(tokens, secret_env, CONF_TEXT, .live = true, .shown = "DUET_TOKEN_SECRET", .what = "Or it is in this variable."),
    IN(tokens, public_key_file, CONF_TEXT, .live = true, .shown = "/etc/duet/token-key.pem",
       .what = "Or they are signed with the private key of this one (PEM)."),
    IN(tokens, jwks_file, CONF_TEXT, .live = true, .shown = "/etc/duet/jwks.json",
       .what = "Or with one of this set's (JWKS)."),
    IN(tokens, algorithms, CONF_LIST, .live = true, .shown = "[RS256]",
       .what = "Take these only; without it, all that go with the key."),
    IN(tokens, audience, CONF_TEXT, .live = true, .shown = "my-app", .what = "What tokens have to name as aud."),
    IN(tokens, issuer, CONF_TEXT, .live = true, .shown = "my-backend", .what = "What tokens have to name as iss."),
    { "leeway", CONF_DURATION, FIELD(struct config, tokens.leeway_ms), .most = 10 * 60 * 1000, .live = true,
      .shown = "5s", .fallback = true, .what = "How far the backend's clock may be ahead, for nbf and iat." },
    { "allow_without_exp", CONF_BOOL, FIELD(struct config, tokens.eternal), .live = true, .shown = "false",
      .fallback = true, .what = "Take tokens that never expire." },
    { NULL },
};

static const struct confkey client_keys[] = {
    IN(clients, anonymous, CONF_BOOL, .shown = "true", .fallback = true,
       .what = "Clients may connect without a token; what they may then do, the channels say."),
    { "ping", CONF_DURATION, FIELD(struct config, clients.ping_ms), .least = 1000, .most = DAYS(1), .shown = "25s",
      .fallback = true, .what = "How often clients are pinged." },
    { "pong", CONF_DURATION, FIELD(struct config, clients.pong_ms), .least = 100, .most = DAYS(1), .shown = "10s",
      .fallback = true, .what = "How long they may take to answer." },
    { "connect_within", CONF_DURATION, FIELD(struct config, clients.connect_ms), .least = 100, .most = DAYS(1),
      .shown = "10s", .fallback = true, .what = "How long a connection may take to say who it is." },
    { "expired_close_delay", CONF_DURATION, FIELD(struct config, clients.expired_ms), .most = DAYS(1), .shown = "25s",
      .fallback = true, .what = "How long it may take to bring a new token when the old one is over." },
    { "queue_max_size", CONF_SIZE, FIELD(struct config, clients.queue_max), .least = 1024, .most = GIB(1),
      .shown = "1MiB", .fallback = true, .what = "What may wait for a slow client before it is closed (3008)." },
    { NULL },
};

static const struct confkey hook_keys[] = {
    HOOK(connect, "Ask this URL about a connection: who it is, instead of a token."),
    HOOK(refresh, "Whether it may go on."),
    HOOK(subscribe, "About a subscription, in channels with subscribe_hook."),
    HOOK(sub_refresh, "Whether it may go on."),
    HOOK(publish, "About a publication of a client, in channels with publish_hook."),
    HOOK(rpc, "What clients call."),
    HOOK(send, "What clients send without wanting an answer."),
    HOOK(events, "Tell it of disconnects, and of channels with occupancy_hook, until it says that it has heard."),
    IN(hooks, headers, CONF_LIST, .shown = "[Cookie, Authorization]",
       .what = "Which fields of the client's request go along."),
    { "timeout", CONF_DURATION, FIELD(struct config, hooks.timeout_ms), .least = 10, .most = 60 * 1000, .shown = "1s",
      .fallback = true, .what = "How long an answer may take." },
    { NULL },
};

static const struct confkey limit_keys[] = {
    L(channels_per_connection, CONF_COUNT, .least = 1, .most = 100000, .shown = "128",
      .what = "Subscriptions of one connection."),
    L(connections_per_user, CONF_COUNT, .most = 1000000, .shown = "0",
      .what = "Connections of one user at a time; 0: no limit."),
    L(name_max, CONF_COUNT, .least = 1, .most = HUB_NAME_MOST, .shown = "255", .what = "Bytes of a channel's name."),
    L(channels_max, CONF_COUNT, .least = 1, .most = 100000000, .shown = "1000000",
      .what = "Channels there are at a time."),
    L(idempotency_keys, CONF_COUNT, .most = 10000000, .shown = "10000", .what = "Keys remembered for a channel."),
    { "idempotency_ttl", CONF_DURATION, FIELD(struct config, limits.idempotency_ms), .most = DAYS(1), .shown = "5m",
      .fallback = true, .what = "How long they are." },
    L(history_bytes, CONF_SIZE, .least = 1024, .most = GIB(65536), .shown = "256MiB",
      .what = "Memory for the histories of all channels."),
    L(recovery_max, CONF_COUNT, .least = 1, .most = 1000000, .shown = "300",
      .what = "Publications that one recovery or one page of history brings."),
    { NULL },
};

const struct confkey confkeys[] = {
    C(listen, CONF_LIST, .shown = "[http://127.0.0.1:8080]",
      .what = "Where to listen: ws, wss, http, https, unix:/path, or fd:NAME for a socket of systemd's."),
    C(threads, CONF_COUNT, .least = 1, .most = 256, .shown = "1", .fallback = true,
      .what = "Event loops, each on a thread of its own."),
    C(root, CONF_TEXT, .shown = "/srv/site", .what = "Serve the files of this folder instead of the built-in pages."),
    C(pages, CONF_BOOL, .shown = "true", .fallback = true,
      .what = "Without a root: serve the built-in pages, with what they demonstrate."),
    C(origins, CONF_LIST, .shown = "[https://example.com]",
      .what = "Pages of these origins may connect, besides the server's own; '*': all of them."),
    C(require_origin, CONF_BOOL, .shown = "false", .fallback = true,
      .what = "Refuse who names no origin, too: pages may connect and send, programs may not."),
    C(trusted_proxies, CONF_LIST, .shown = "[127.0.0.0/8, unix]",
      .what = "Believe the X-Forwarded fields of these peers."),
    C(proxy_protocol, CONF_BOOL, .shown = "false", .fallback = true,
      .what = "Trusted proxies begin with a PROXY protocol head."),
    C(deflate, CONF_BOOL, .shown = "true", .fallback = true, .what = "Compress messages for clients that offer it."),
    C(log, CONF_CHOICE, .words = "auto json human", .shown = "auto", .fallback = true,
      .what = "The log's form; auto: sentences on a terminal, else JSON."),
    C(log_connections, CONF_BOOL, .shown = "false", .fallback = true,
      .what = "A line for each WebSocket and stream at its end: who, how long, how much, and why it ended."),
    { "drain", CONF_DURATION, FIELD(struct config, drain_ms), .least = 1, .most = DAYS(1), .shown = "30s",
      .fallback = true, .what = "How long connections are given to leave when the server is asked to stop." },
    { "tls", CONF_SECTIONS, offsetof(struct config, tls), sizeof(struct config_tls), .inner = tls_keys,
      .what = "Certificate chains and their keys (PEM), for wss and https." },
    { "store", CONF_SECTION, 0, 0, .inner = store_keys, .what = "Where histories are kept." },
    { "tokens", CONF_SECTION, 0, 0, .inner = token_keys,
      .what = "How clients say who they are (JWT); `duet token` makes some by hand." },
    { "clients", CONF_SECTION, 0, 0, .inner = client_keys, .what = "What holds for connections." },
    { "channels", CONF_SECTION, offsetof(struct config, channels), sizeof(struct hub_options), .inner = channel_keys,
      .what = "Channels without a namespace: those without a ':' in their name." },
    { "namespaces", CONF_SECTIONS, offsetof(struct config, spaces), sizeof(struct hub_options), .inner = namespace_keys,
      .init = init_namespace,
      .what = "Channels NAME:...; each namespace has a name, and any of the above for channels." },
    { "limits", CONF_SECTION, 0, 0, .inner = limit_keys, .what = "Limits of the whole." },
    { "admin", CONF_SECTION, 0, 0, .inner = admin_keys, .what = "For operators." },
    { "api", CONF_SECTION, 0, 0, .inner = api_keys, .what = "For backends: publish and the like over HTTP." },
    { "hooks", CONF_SECTION, 0, 0, .inner = hook_keys, .what = "What the backend is asked and told, over HTTP." },
    { NULL },
};
