/* SPDX-License-Identifier: MIT */
/* `duet bench`: puts a load on a server, measures it, and proves what it counts. See duet-bench(1). */
#ifndef CMD_BENCH_H
#define CMD_BENCH_H

int bench_main(int argc, char **argv); /* the exit code */

#endif
