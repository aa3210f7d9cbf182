/* SPDX-License-Identifier: MIT */
/*
 * Fossil deltas: what has to be said to make one payload out of the one before it. The format is that of the Fossil
 * version control system, as the Centrifugal protocol has it:
 *
 *     <target length>\n  then <n>@<offset>,  copy n bytes from the source
 *                             <n>:<bytes>    take these n bytes
 *                        then <checksum>;    of the target
 *
 * with numbers in base 64. A delta of UTF-8 is UTF-8: it is cut between characters only, since it travels in JSON.
 */
#ifndef HUB_FOSSIL_H
#define HUB_FOSSIL_H

#include "base/buf.h"

/* Puts the delta that makes `target` out of `source` into `out`, and returns true when it is shorter than the target;
 * else false, with nothing put: the target itself is to be sent. So it is for want of memory. Both are UTF-8. */
bool fossil_delta(struct buf *out, const char *source, size_t source_len, const char *target, size_t target_len);

#endif
