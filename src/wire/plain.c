/* SPDX-License-Identifier: MIT */
#include "wire/plain.h"
#include "base/mem.h"
#include "wire/demo.h"
#include <stdio.h>
#include <string.h>

enum { NAME_MOST = 253 }; /* with its prefix it fits a topic's 255 bytes */

int plain_topic(const char *channel, char out[256])
{
    int n = snprintf(out, 256, "c:%s", channel);
    return n < 256 ? n : -1;
}

void plain_upgrade(duet_http *x, const duet_request *r)
{
    struct client *client = duet_http_data(x);
    const char *name = duet_request_path(r) + strlen(PLAIN_PATH);
    char topic[256];
    if (name[0] == 0 || strlen(name) > NAME_MOST) {
        duet_http_text(x, 404, "name a channel of at most 253 bytes: /channel/NAME");
        return;
    }
    plain_topic(name, topic);
    client->channel = mem_strdup(topic);
    if (client->channel == NULL) {
        duet_http_text(x, 503, "out of memory");
        return;
    }
    client->kind = CLIENT_PLAIN;
    if (duet_http_upgrade(x, NULL, NULL) < 0) {
        mem_free(client->channel);
        *client = (struct client){ 0 };
        duet_http_text(x, 503, "out of memory");
    }
}

void plain_open(duet_conn *c)
{
    struct client *client = duet_data(c);
    if (duet_subscribe(c, client->channel) < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
    if (strcmp(client->channel, "c:demo-ticks") == 0)
        demo_watched(true);
}

void plain_message(duet_conn *c, const duet_msg *m)
{
    struct client *client = duet_data(c);
    duet_shared *shared = duet_msg_share(m);
    if (shared == NULL || duet_publish_shared(duet_server_of(c), client->channel, shared) < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
    duet_shared_unref(shared);
}

void plain_close(duet_conn *c)
{
    struct client *client = duet_data(c);
    if (strcmp(client->channel, "c:demo-ticks") == 0)
        demo_watched(false);
    mem_free(client->channel);
    client->channel = NULL;
}
