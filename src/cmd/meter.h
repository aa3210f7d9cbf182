/* SPDX-License-Identifier: MIT */
/* How far a load is: a line on standard error that is written anew, when that is a terminal. */
#ifndef CMD_METER_H
#define CMD_METER_H

#include "cmd/load.h"
#include <stdbool.h>

struct meter {
    bool on;
    uint64_t at_ns, done; /* of the last line */
};

void meter_init(struct meter *m);
bool meter_due(const struct meter *m, uint64_t now, uint64_t each_ns);
/* `opened` connections, `done` messages or openings so far. */
void meter_show(struct meter *m, const struct load_plan *plan, const struct load_shared *shared, uint64_t opened,
                uint64_t done, uint64_t now);
void meter_clear(const struct meter *m);

#endif
