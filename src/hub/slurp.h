/* SPDX-License-Identifier: MIT */
/* Files that are read whole, because an operator named them: keys, secrets, the configuration. */
#ifndef HUB_SLURP_H
#define HUB_SLURP_H

#include <stddef.h>

/* The file's bytes and a zero byte behind them, from mem_alloc(). 0; -errno; DUET_ERR_NOMEM; or DUET_ERR_TOO_BIG for
 * more than `most`. Blocks; a pipe is read to its end. */
int slurp(char **out, size_t *len, const char *path, size_t most);

/* Wipes and frees what may be a secret; NULL is fine. */
void slurp_wipe(char *bytes, size_t len);

/* A secret is a file's content without the newlines at its end: how long it is then. */
size_t slurp_secret_len(const char *bytes, size_t len);

#endif
