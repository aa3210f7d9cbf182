/* SPDX-License-Identifier: MIT */
#include <duet/duet.h>

static void echo(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

int main(void)
{
    return duet_serve(&(duet_server_config){
        DUET_SERVER_CONFIG_INIT,
        .listen = "ws://127.0.0.1:9001",
        .on = { .message = echo },
    });
}
