/* SPDX-License-Identifier: MIT */
/*
 * The servers of `duet serve`: that of the site, and those of --admin-listen and --api-listen. Each function prints its
 * line when it fails, and returns the exit code.
 */
#ifndef CMD_SERVERS_H
#define CMD_SERVERS_H

struct site;

/* Takes the sockets that were passed, reads the certificates, and looks at all that can be looked at without listening.
 * Before there are threads, since what was passed is in the environment. */
int servers_check(struct site *site);

/* Judges one whose setup was read again while this one runs, as --check does. Certificates that are the same are left
 * to duet_tls_reload(). */
int servers_check_next(struct site *next, const struct site *now);

int servers_make(struct site *site);       /* that of the site, which has a hub */
int servers_make_aside(struct site *site); /* the others, on the site's loop */

#endif
