/* SPDX-License-Identifier: MIT */
#include <duet/error.h>
#include <string.h>

const char *duet_strerror(int error)
{
    switch (error) {
#define SENTENCE(name, value, sentence)                                                                      \
    case value:                                                                                              \
        return sentence;
        DUET_ERRORS(SENTENCE)
#undef SENTENCE
    default:
        break;
    }
    if (error >= 0)
        return "success";
    return error > -1000 ? strerror(-error) : "unknown error";
}

const char *duet_version(void)
{
    return DUET_VERSION;
}
