/* SPDX-License-Identifier: MIT */
/* What the hub says no with: errors in replies, and codes that end a subscription or a connection. */
#ifndef HUB_CODES_H
#define HUB_CODES_H

#include <stdbool.h>

/* name, code, message, whether trying again later may help */
#define HUB_ERRORS(X)                                                                                                  \
    X(INTERNAL, 100, "internal server error", true)                                                                    \
    X(UNAUTHORIZED, 101, "unauthorized", false)                                                                        \
    X(UNKNOWN_CHANNEL, 102, "unknown channel", false)                                                                  \
    X(PERMISSION, 103, "permission denied", false)                                                                     \
    X(METHOD, 104, "method not found", false)                                                                          \
    X(ALREADY, 105, "already subscribed", false)                                                                       \
    X(LIMIT, 106, "limit exceeded", false)                                                                             \
    X(BAD_REQUEST, 107, "bad request", false)                                                                          \
    X(NOT_AVAILABLE, 108, "not available", false)                                                                      \
    X(TOKEN_EXPIRED, 109, "token expired", false)                                                                      \
    X(EXPIRED, 110, "expired", false)                                                                                  \
    X(TOO_MANY, 111, "too many requests", true)                                                                        \
    X(UNRECOVERABLE, 112, "unrecoverable position", false)                                                             \
    X(PAGINATION, 113, "concurrent pagination", true)

enum hub_error {
    HUB_OK = 0,
#define HUB_ERROR_ENUM(name, code, message, temporary) HUB_ERROR_##name = code,
    HUB_ERRORS(HUB_ERROR_ENUM)
#undef HUB_ERROR_ENUM
};

/* name, code, reason. Unsubscribed from 2500 on, a client comes back by itself; below it stays away. */
#define HUB_UNSUBSCRIBES(X)                                                                                            \
    X(SERVER, 2000, "server unsubscribe")                                                                              \
    X(INSUFFICIENT, 2500, "insufficient state")                                                                        \
    X(EXPIRED, 2501, "subscription expired")                                                                           \
    X(INVALIDATED, 2502, "state invalidated")

enum hub_unsubscribe {
#define HUB_UNSUBSCRIBE_ENUM(name, code, reason) HUB_UNSUBSCRIBE_##name = code,
    HUB_UNSUBSCRIBES(HUB_UNSUBSCRIBE_ENUM)
#undef HUB_UNSUBSCRIBE_ENUM
};

/* name, code, reason; they are close codes of WebSocket. Below 3500 a client comes back, from there on it does not. */
#define HUB_DISCONNECTS(X)                                                                                             \
    X(SHUTDOWN, 3001, "shutdown")                                                                                      \
    X(INTERNAL, 3004, "internal server error")                                                                         \
    X(EXPIRED, 3005, "connection expired")                                                                             \
    X(SUB_EXPIRED, 3006, "subscription expired")                                                                       \
    X(SLOW, 3008, "slow")                                                                                              \
    X(WRITE, 3009, "write error")                                                                                      \
    X(INSUFFICIENT, 3010, "insufficient state")                                                                        \
    X(RECONNECT, 3011, "force reconnect")                                                                              \
    X(NO_PONG, 3012, "no pong")                                                                                        \
    X(TOO_MANY, 3013, "too many requests")                                                                             \
    X(INVALIDATED, 3014, "state invalidated")                                                                          \
    X(TOKEN, 3500, "invalid token")                                                                                    \
    X(BAD_REQUEST, 3501, "bad request")                                                                                \
    X(STALE, 3502, "stale")                                                                                            \
    X(FORCE, 3503, "force disconnect")                                                                                 \
    X(CONNECTIONS, 3504, "connection limit")                                                                           \
    X(CHANNELS, 3505, "channel limit")                                                                                 \
    X(PROTOCOL, 3506, "inappropriate protocol")                                                                        \
    X(PERMISSION, 3507, "permission denied")                                                                           \
    X(NOT_AVAILABLE, 3508, "not available")                                                                            \
    X(ERRORS, 3509, "too many errors")

enum hub_disconnect {
#define HUB_DISCONNECT_ENUM(name, code, reason) HUB_DISCONNECT_##name = code,
    HUB_DISCONNECTS(HUB_DISCONNECT_ENUM)
#undef HUB_DISCONNECT_ENUM
};

/* The sentence of any of them; "unknown" for other numbers. */
const char *hub_code_text(int code);
/* Whether an error is worth trying again. */
bool hub_error_temporary(int code);

#endif
