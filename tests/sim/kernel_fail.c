/* SPDX-License-Identifier: MIT */
#include "kernel_in.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ERRORS_MOST = 9 };

static const struct {
    const char *name;
    int errors[ERRORS_MOST]; /* ends with 0 */
} calls[] = {
#define CALL_ROW(call, ...) [CALL_##call] = { #call, { __VA_ARGS__ } },
    CALLS(CALL_ROW)
#undef CALL_ROW
};

static struct {
    bool on, for_ever, hit;
    unsigned long nth, count;
    unsigned which;
    enum call kind;
    int error;
    unsigned long since; /* calls of its kind since it began */
    char name[64];
} failing;

void kernel_fail(unsigned long nth, unsigned which, bool for_ever)
{
    memset(&failing, 0, sizeof(failing));
    failing.on = true;
    failing.nth = nth;
    failing.which = which;
    failing.for_ever = for_ever;
}

unsigned long kernel_fail_end(void)
{
    failing.on = false;
    return failing.count;
}

bool kernel_failed(void)
{
    return failing.error != 0;
}

bool kernel_failed_with(int error)
{
    return failing.error == error;
}

const char *kernel_failed_name(void)
{
    snprintf(failing.name, sizeof(failing.name), "%s: %s", calls[failing.kind].name,
             failing.error ? strerrorname_np(failing.error) : "none");
    return failing.name;
}

static int error_of(enum call call, unsigned which)
{
    for (unsigned i = 0; i < ERRORS_MOST && calls[call].errors[i] != 0; i++)
        if (i == which)
            return calls[call].errors[i];
    return 0;
}

bool fails_for_ever(enum call call, int error)
{
    return failing.on && failing.hit && failing.for_ever && call == failing.kind && error == failing.error;
}

bool fails(enum call call)
{
    if (kernel.raw || !failing.on)
        return false;
    unsigned long n = failing.count++;
    if (n == failing.nth) {
        failing.hit = true;
        failing.kind = call;
        failing.error = error_of(call, failing.which);
        errno = failing.error;
        return failing.error != 0;
    }
    if (!failing.hit || !failing.for_ever || call != failing.kind || failing.error == 0)
        return false;
    if (failing.error == EINTR && ++failing.since % 2 != 0)
        return false; /* no signal comes so often that nothing else is done */
    errno = failing.error;
    return true;
}
