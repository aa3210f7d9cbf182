/* SPDX-License-Identifier: MIT */
/* Somebody else's program, built against what was installed. */
#include <duet/error.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    if (strcmp(duet_version(), DUET_VERSION) != 0)
        return 1;
    printf("%s\n", duet_version());
    return 0;
}
