/* SPDX-License-Identifier: MIT */
/* Every message goes back to who sent it: for measuring and for conformance programs. */
#include "options.h"

static void echo(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

int main(int argc, char **argv)
{
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .on = { .message = echo },
        .message_max = 100 * 1024 * 1024,
        .ping_ms = 120000, /* no ping in the first minute */
    };
    int rc = read_options(argc, argv, &config);
    if (rc == 0)
        rc = duet_serve(&config);
    duet_tls_free(config.tls);
    return rc;
}
