/* SPDX-License-Identifier: MIT */
/*
 * What clients of the Centrifugal protocol send: commands, {"id":7,"publish":{"channel":"c","data":...}}, one a line.
 *
 * A command is read in place: what it holds are slices of what was received, and `data` is handed on byte for byte. It
 * is strict: what is no JSON, nested deeper than 34, of another type than it is to be, said twice, or has half a
 * surrogate pair in a string, is no command (HUB-14). Fields that are not known are passed over.
 */
#ifndef WIRE_CENTRIFUGAL_COMMAND_H
#define WIRE_CENTRIFUGAL_COMMAND_H

#include "base/jsonread.h"
#include "hub/content.h"
#include <stdint.h>

enum { CENTRIFUGAL_DEPTH = CONTENT_DEPTH_MOST + 2 };

/* name, what it is called */
#define CENTRIFUGAL_METHODS(X)                                                                                         \
    X(CONNECT, "connect")                                                                                              \
    X(SUBSCRIBE, "subscribe")                                                                                          \
    X(UNSUBSCRIBE, "unsubscribe")                                                                                      \
    X(PUBLISH, "publish")                                                                                              \
    X(PRESENCE, "presence")                                                                                            \
    X(PRESENCE_STATS, "presence_stats")                                                                                \
    X(HISTORY, "history")                                                                                              \
    X(PING, "ping")                                                                                                    \
    X(SEND, "send")                                                                                                    \
    X(RPC, "rpc")                                                                                                      \
    X(REFRESH, "refresh")                                                                                              \
    X(SUB_REFRESH, "sub_refresh")

enum centrifugal_method {
    CENTRIFUGAL_PONG, /* {} */
#define CENTRIFUGAL_METHOD_ENUM(name, text) CENTRIFUGAL_##name,
    CENTRIFUGAL_METHODS(CENTRIFUGAL_METHOD_ENUM)
#undef CENTRIFUGAL_METHOD_ENUM
};

const char *centrifugal_method_name(enum centrifugal_method m);

struct centrifugal_command {
    uint32_t id; /* 0 only for pongs and `send` */
    enum centrifugal_method method;
    struct json_slice body; /* the method's object */
};

/*
 * The next command of `lines`, which is moved behind it; empty lines are passed over. 1; 0: there is none; -1: what
 * stands there is none.
 */
int centrifugal_next(struct json_slice *lines, struct centrifugal_command *out);

/* What a method's object says; zero is what it does not say. Strings are without quotes and escapes, not terminated. */
struct centrifugal_request {
    struct json_slice token, name, version, channel, method, epoch, delta;
    struct json_slice object;             /* all of it */
    struct json_slice data, subs, filter; /* raw JSON; `text` is NULL when it is not there */
    struct json_slice headers;            /* likewise: what the client says they are */
    struct json_slice since;              /* an object like this */
    uint64_t offset, flag, type;
    int64_t limit;
    bool recover, positioned, recoverable, join_leave, reverse;
    char *memory; /* what had to be unescaped */
};

/* Reads it from an object that json_check() passed. False: a field is not what it is to be. Either way
 * centrifugal_request_fini(). */
bool centrifugal_read(struct centrifugal_request *out, struct json_slice object);
void centrifugal_request_fini(struct centrifugal_request *r);

#endif
