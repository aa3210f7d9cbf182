/* SPDX-License-Identifier: MIT */
/* For tests that turn a loop of their own, `loop`. */
#ifndef TESTS_TURN_H
#define TESTS_TURN_H

#include "base/clock.h"
#include "net/loop.h"
#include "test.h"

enum { TURN_PATIENCE_MS = 10000 };

/* Turns until the condition holds. */
#define TURN_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        uint64_t until_ = clock_ms() + TURN_PATIENCE_MS;                                                   \
        while (!(condition)) {                                                                                         \
            assert_true(clock_ms() < until_);                                                              \
            duet_loop_turn(loop, 10);                                                                                  \
        }                                                                                                              \
    } while (0)

#endif
