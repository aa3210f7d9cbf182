/* SPDX-License-Identifier: MIT */
/* Latency by percentile as a picture: an SVG that needs nothing besides itself, for light and dark. */
#ifndef CMD_PLOT_H
#define CMD_PLOT_H

#include "cmd/histogram.h"

/* `title` and `subtitle` may hold any text. 0, -errno of the file, or DUET_ERR_NOMEM. */
int plot_write(const char *path, const struct histogram *h, const char *title, const char *subtitle);

#endif
