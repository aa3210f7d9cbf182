/* SPDX-License-Identifier: MIT */
/* Every message goes to every connection, its sender too. */
#include "options.h"

static void join(duet_conn *c)
{
    if (duet_subscribe(c, "all") < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
}

static void pass_on(duet_conn *c, const duet_msg *m)
{
    duet_shared *shared = duet_msg_share(m);
    if (shared == NULL || duet_publish_shared(duet_server_of(c), "all", shared) < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
    duet_shared_unref(shared);
}

int main(int argc, char **argv)
{
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .on = { .open = join, .message = pass_on },
        .message_max = 100 * 1024 * 1024,
        .ping_ms = 120000, /* no ping in the first minute */
        .read_on = true,
    };
    int rc = read_options(argc, argv, &config);
    if (rc == 0)
        rc = duet_serve(&config);
    duet_tls_free(config.tls);
    return rc;
}
