/* SPDX-License-Identifier: MIT */
/*
 * The one matcher of channel patterns, in capabilities and wherever else a pattern of channels is written (HUB-13).
 *
 * A name matches byte for byte: no case, no Unicode form and no separator is like another. `*` alone is special: it
 * stands for any bytes, none among them, ':' '/' '$' and '#' included, as often as it is written. There is no way to
 * write a literal `*`; a capability that means one says so by its match "exact".
 */
#ifndef HUB_MATCH_H
#define HUB_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Takes time of at most pattern_len * name_len, and no memory. Any thread. */
bool hub_match(const char *pattern, size_t pattern_len, const char *name, size_t name_len);

#endif
