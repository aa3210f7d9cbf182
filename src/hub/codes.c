/* SPDX-License-Identifier: MIT */
#include "hub/codes.h"

const char *hub_code_text(int code)
{
    switch (code) {
#define ERROR_TEXT(name, number, message, temporary)                                                                   \
    case number:                                                                                                       \
        return message;
#define CODE_TEXT(name, number, reason)                                                                                \
    case number:                                                                                                       \
        return reason;
        HUB_ERRORS(ERROR_TEXT)
        HUB_UNSUBSCRIBES(CODE_TEXT)
        HUB_DISCONNECTS(CODE_TEXT)
    default:
        return "unknown";
    }
}

bool hub_error_temporary(int code)
{
    switch (code) {
#define ERROR_TEMPORARY(name, number, message, temporary)                                                              \
    case number:                                                                                                       \
        return temporary;
        HUB_ERRORS(ERROR_TEMPORARY)
    default:
        return false;
    }
}
