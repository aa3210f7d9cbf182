/* SPDX-License-Identifier: MIT */
/* Linked before libduet.a, these take the place of what asks the processor. */
#include "base/utf8.h"
#include "proto/mask.h"

mask_copier *mask_simd(void)
{
    return NULL;
}

utf8_skipper *utf8_simd(void)
{
    return NULL;
}
