/* SPDX-License-Identifier: MIT */
#include "cmd/admin.h"
#include "base/hex.h"
#include "wire/wire.h"
#include <arpa/inet.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

enum { SHOWN = 3 * 1024 + 16 }; /* a token as long as one may be, all of it escaped */

static const struct wire_refusal none = { 401, "operators come with their token: Authorization: Bearer TOKEN" },
                                 wrong = { 401, "this is not the operators' token" },
                                 far = { 403, "without a token this is for programs on this machine: see "
                                              "admin.token_file and --admin-listen" },
                                 named = { 403, "without a token this answers by an address or as localhost, and no "
                                                "page of another origin: see admin.token_file" };

/* %XX in place. */
static void unescape(char *text)
{
    char *to = text;
    while (*text != '\0') {
        int byte = *text == '%' ? hex_pair(text + 1) : -1;
        *to++ = byte > 0 ? (char)byte : *text;
        text += byte > 0 ? 3 : 1;
    }
    *to = '\0';
}

/* What it shows as token; NULL: nothing. */
static const char *shown(const duet_request *r, char space[SHOWN])
{
    static const char bearer[] = "bearer ", prefix[] = "token.";
    const char *field = duet_request_header(r, "authorization");
    if (field != NULL && strncasecmp(field, bearer, sizeof(bearer) - 1) == 0)
        return field + sizeof(bearer) - 1;
    for (unsigned i = 0; duet_request_subprotocol(r, i, space, SHOWN); i++)
        if (strncmp(space, prefix, sizeof(prefix) - 1) == 0) {
            unescape(space);
            return space + sizeof(prefix) - 1;
        }
    return NULL;
}

static const struct wire_refusal *judge(const struct admin_door *door, const duet_request *r)
{
    char space[SHOWN];
    const char *right = atomic_load(door->token);
    if (right == NULL)
        return door->own_listener || wire_is_from_here(r) ? &wire_fine : &far;
    const char *token = shown(r, space);
    if (token == NULL)
        return &none;
    return wire_is_secret(token, right) ? &wire_fine : &wrong;
}

/* "192.0.2.1:9000", "[::1]", "localhost": what no name server was asked for. */
static bool is_by_address(const char *host)
{
    char name[64];
    struct in_addr v4;
    bool bracket = host[0] == '[';
    size_t len = bracket ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (bracket)
        return true; /* nothing but an address stands in them: the server has looked */
    if (len >= sizeof(name))
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &v4) == 1;
}

static bool is_own_page(const duet_request *r)
{
    const char *host = duet_request_host(r), *origin = duet_request_origin(r);
    const char *from = origin ? strstr(origin, "://") : NULL;
    if (origin != NULL && (from == NULL || host == NULL || strcasecmp(from + 3, host) != 0))
        return false;
    return strncmp(duet_request_peer(r), "unix", 4) == 0 || (host != NULL && is_by_address(host));
}

static bool let_in(const struct wire_refusal *no, duet_http *x)
{
    if (no->why != NULL)
        wire_refuse(x, no);
    return no->why == NULL;
}

bool admin_may(const struct admin_door *door, duet_http *x, const duet_request *r)
{
    return let_in(judge(door, r), x);
}

bool admin_may_act(const struct admin_door *door, duet_http *x, const duet_request *r)
{
    const struct wire_refusal *no = judge(door, r);
    if (no->why == NULL && atomic_load(door->token) == NULL && !is_own_page(r))
        no = &named;
    return let_in(no, x);
}

bool admin_may_look(const struct admin_door *door, duet_http *x, const duet_request *r)
{
    return atomic_load(door->token) != NULL || admin_may(door, x, r);
}
