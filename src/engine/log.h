/* SPDX-License-Identifier: MIT */
/*
 * SQLite's write-ahead log as a stopped process left it. SQLite takes a log up to the first frame that is wrong, which
 * is right for what was being written when the power went, and silent about what was damaged later. So it is looked at
 * before SQLite opens it.
 */
#ifndef ENGINE_LOG_H
#define ENGINE_LOG_H

/* 0, there is none to speak of: no byte; 1, sound up to its end, which may be in the middle of a frame, or as far as it
 * was acknowledged to anybody (engine/mark.h); 2, torn: its head or a whole frame before that is wrong, or it has not
 * even old ones, and something that was acknowledged may be lost (STO-3). Or -errno. `folder` is the one it is in. */
int log_inspect(int fd, int folder);

#endif
