/* SPDX-License-Identifier: MIT */
/*
 * Results, errors, version.
 *
 * Every function of Duet that can fail returns an int: 0 or a count is success, -errno an error of the
 * system, and below -1000 one of the errors named here. duet_strerror() has a sentence for any of them.
 */
#ifndef DUET_ERROR_H
#define DUET_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DUET_API __attribute__((visibility("default")))
#else
#define DUET_API
#endif

#define DUET_VERSION_MAJOR 0
#define DUET_VERSION_MINOR 1
#define DUET_VERSION_PATCH 0
#define DUET_VERSION       "0.1.0"

/* In an options struct: this limit or timer is off. (Zero means the default.) */
#define DUET_OFF ((unsigned)-1)

/* name, value, sentence */
#define DUET_ERRORS(X)                                                                                       \
    X(NOMEM, -1001, "out of memory")                                                                         \
    X(INVALID, -1002, "an argument is out of its range")                                                     \
    X(STATE, -1003, "not possible in this state of the connection")                                          \
    X(CLOSED, -1004, "the connection is closing or closed")                                                  \
    X(FULL, -1005, "the send queue is over its hard limit")                                                  \
    X(PROTOCOL, -1010, "the peer broke a rule of the WebSocket protocol (RFC 6455)")                         \
    X(UTF8, -1011, "a text message is not valid UTF-8")                                                      \
    X(TOO_BIG, -1012, "a message is over the size limit")                                                    \
    X(POLICY, -1013, "the peer went over a rate or time limit")                                              \
    X(HANDSHAKE, -1014, "the opening handshake was refused or malformed")                                    \
    X(TIMEOUT, -1015, "the peer did not answer in time")                                                     \
    X(RANDOM, -1016, "no random bytes could be had")                                                         \
    X(EOF, -1017, "the peer closed the connection without a Close frame")                                    \
    X(URL, -1018, "not a URL that can be used here")                                                         \
    X(TLS, -1019, "TLS failed")                                                                              \
    X(FORMAT, -1020, "the bytes are not in the format that is due here")                                     \
    X(LIMIT, -1021, "a configured limit is reached")                                                         \
    X(GONE, -1022, "there is no connection with this id any more")                                           \
    X(RESOLVE, -1023, "the host name has no address")                                                        \
    X(PROXY, -1024, "the proxy refused, or did not answer as a proxy does")

enum duet_error {
#define DUET_ERROR_ENUM(name, value, sentence) DUET_ERR_##name = value,
    DUET_ERRORS(DUET_ERROR_ENUM)
#undef DUET_ERROR_ENUM
};

/* A sentence for a result of any function of Duet, without a full stop. Never NULL; the text is
 * constant for DUET_ERR_*, and strerror()'s for -errno. Any thread. */
DUET_API const char *duet_strerror(int error);

/* "0.1.0": the version of the library that is linked, which may be newer than DUET_VERSION. */
DUET_API const char *duet_version(void);

#ifdef __cplusplus
}
#endif
#endif
