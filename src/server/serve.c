/* SPDX-License-Identifier: MIT */
/* A whole program's main: serve until a signal, then drain. */
#include <duet/server.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static duet_server *_Atomic serving;
static atomic_int asked;

/* The first signal drains, the second ends at once (OPS-1). */
static void on_signal(int number)
{
    (void)number;
    int before = atomic_fetch_add(&asked, 1);
    duet_server *s = atomic_load(&serving);
    if (s == NULL)
        return;
    if (before == 0)
        duet_server_drain(s);
    else
        duet_server_stop(s);
}

int duet_serve(const duet_server_config *config)
{
    char why[200] = "";
    duet_server *s = NULL;
    struct sigaction handle = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN }, old[3];
    atomic_store(&asked, 0);
    /* Before the port is open: who sees it open may end us in order. */
    sigaction(SIGTERM, &handle, &old[0]);
    sigaction(SIGINT, &handle, &old[1]);
    sigaction(SIGPIPE, &ignore, &old[2]);
    int rc = duet_server_new(&s, config, why);
    if (rc == 0) {
        atomic_store(&serving, s);
        if (atomic_load(&asked) > 0) /* the handler did not know of it yet */
            duet_server_drain(s);
        rc = duet_server_run(s);
        atomic_store(&serving, NULL);
    }
    sigaction(SIGTERM, &old[0], NULL);
    sigaction(SIGINT, &old[1], NULL);
    sigaction(SIGPIPE, &old[2], NULL);
    if (rc < 0)
        fprintf(stderr, "duet: %s\n", why[0] ? why : duet_strerror(rc));
    duet_server_free(s);
    return rc < 0 || atomic_load(&asked) > 1;
}
