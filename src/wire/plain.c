/* SPDX-License-Identifier: MIT */
#include "wire/plain.h"
#include "base/mem.h"
#include "wire/wire.h"
#include <string.h>

enum { NAME_MOST = 255 };

struct plain {
    struct wire wire;
    char *channel;
};
_Static_assert(sizeof(struct plain) <= WIRE_DATA, "the block is too small");

static void join(duet_conn *c)
{
    if (duet_subscribe(c, plain_channel(c)) < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
}

static void pass_on(duet_conn *c, const duet_msg *m)
{
    duet_shared *shared = duet_msg_share(m);
    if (shared == NULL || duet_publish_shared(duet_server_of(c), plain_channel(c), shared) < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
    duet_shared_unref(shared);
}

static void leave(duet_conn *c, const duet_closing *why)
{
    struct plain *p = duet_data(c);
    (void)why;
    mem_free(p->channel);
    p->channel = NULL;
}

static const duet_handler handler = { .open = join, .message = pass_on, .close = leave };

const char *plain_channel(const duet_conn *c)
{
    const struct plain *p = duet_data(c);
    return p->wire.on == &handler ? p->channel : NULL;
}

void plain_upgrade(duet_http *x, const duet_request *r)
{
    struct plain *p = duet_http_data(x);
    const char *name = duet_request_path(r) + strlen(PLAIN_PATH);
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MOST) {
        duet_http_text(x, 404, "a channel's name has 1 to 255 bytes: /channel/NAME");
        return;
    }
    char *channel = mem_strdup(name);
    p->wire.on = &handler;
    p->channel = channel;
    if (channel != NULL && duet_http_upgrade(x, NULL, NULL) == 0)
        return;
    p->wire.on = NULL;
    p->channel = NULL;
    mem_free(channel);
    duet_http_text(x, 503, "out of memory, try again later");
}
