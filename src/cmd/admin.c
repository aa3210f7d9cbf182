/* SPDX-License-Identifier: MIT */
#include "cmd/admin.h"
#include "wire/wire.h"
#include <strings.h>

bool admin_may(const struct admin_door *door, duet_http *x, const duet_request *r)
{
    static const char bearer[] = "bearer ";
    static const struct wire_refusal none = { 401, "operators come with their token: Authorization: Bearer TOKEN" },
                                     wrong = { 401, "this is not the operators' token" },
                                     far = { 403, "without a token this is for programs on this machine: see "
                                                  "admin.token_file and --admin-listen" };
    const char *given = duet_request_header(r, "authorization");
    bool shown = given != NULL && strncasecmp(given, bearer, sizeof(bearer) - 1) == 0;
    if (door->token == NULL && (door->own_listener || wire_is_from_here(r)))
        return true;
    if (door->token != NULL && shown && wire_is_secret(given + sizeof(bearer) - 1, door->token))
        return true;
    wire_refuse(x, door->token == NULL ? &far : shown ? &wrong : &none);
    return false;
}
