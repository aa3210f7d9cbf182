/* SPDX-License-Identifier: MIT */
#include "cmd/console.h"
#include "base/mem.h"
#include "cmd/figures.h"
#include "cmd/pages.h"
#include "hub/config.h"
#include "wire/api.h"
#include "wire/guest.h"
#include "wire/operator.h"
#include "wire/tracer.h"
#include <string.h>

struct console {
    struct console_config config;
    struct figures *figures;
};

int console_new(struct console **out, const struct console_config *config)
{
    struct console *c = mem_zalloc(sizeof(*c));
    if (c == NULL)
        return DUET_ERR_NOMEM;
    c->config = *config;
    int rc = figures_new(&c->figures, config->server, config->hub);
    if (rc < 0) {
        mem_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void console_free(struct console *c)
{
    if (c == NULL)
        return;
    figures_free(c->figures);
    mem_free(c);
}

void console_beat(struct console *c)
{
    struct buf b;
    if (hub_operators(c->config.hub) == 0)
        return;
    buf_init(&b, NULL, 0);
    figures_write(c->figures, &b, journal_dropped(c->config.journal));
    if (!b.failed) /* else there is a second without figures */
        hub_tell_operators(c->config.hub, b.at, b.len);
    buf_fini(&b);
}

const struct admin_door *console_door(const struct console *c)
{
    return &c->config.door;
}

static const struct admin_door *door_of(duet_http *x)
{
    return console_door(console_of(duet_http_server(x)));
}

void console_page(duet_http *x, const duet_request *r)
{
    if (admin_may_look(door_of(x), x, r))
        pages_admin(x, r, strlen(ADMIN_PATH));
}

void console_live(duet_http *x, const duet_request *r)
{
    if (admin_may_act(door_of(x), x, r))
        operator_upgrade(x, r);
}

void console_trace(duet_http *x, const duet_request *r)
{
    const char *channel = duet_request_path(r) + strlen(CONSOLE_TRACE);
    const struct wire_site *site = wire_site_of(duet_http_server(x));
    enum hub_error error = HUB_OK;
    if (!admin_may_act(door_of(x), x, r))
        return;
    if (hub_options_of(site->hub, channel, strlen(channel), &error) == NULL) {
        struct wire_refusal no = guest_no_channel(site, (int)error);
        wire_refuse(x, &no);
    } else {
        tracer_upgrade(x, r, channel);
    }
}

void console_api(duet_http *x, const duet_request *r)
{
    if (admin_may_act(door_of(x), x, r))
        api_run(x, r, duet_request_path(r) + strlen(CONSOLE_API));
}

static void put_channel(struct buf *b, struct hub *hub, const struct hub_options *o, const char *name, size_t len)
{
    buf_puts(b, "{\"options\":");
    config_show(b, o);
    buf_printf(b, ",\"subscribers\":%u}", hub_subscribers(hub, name, len));
}

void console_look(duet_http *x, const duet_request *r)
{
    static const duet_header headers[] = {
        { "Content-Type", "application/json" },
        { "Cache-Control", "no-store" },
        { NULL, NULL },
    };
    char name[HUB_NAME_MOST + 1];
    enum hub_error error = HUB_ERROR_BAD_REQUEST;
    struct hub *hub = console_of(duet_http_server(x))->config.hub;
    if (!admin_may_act(door_of(x), x, r))
        return;
    long len = duet_request_param(r, "name", name, sizeof(name));
    const struct hub_options *o = len > 0 ? hub_options_of(hub, name, (size_t)len, &error) : NULL;
    struct buf b;
    buf_init(&b, NULL, 0);
    if (o != NULL)
        put_channel(&b, hub, o, name, (size_t)len);
    else
        buf_printf(&b, "{\"error\":{\"code\":%d,\"message\":\"%s\"}}", (int)error, hub_code_text((int)error));
    if (b.failed || duet_http_reply(x, 200, headers, b.at, b.len) < 0)
        duet_http_text(x, 503, "out of memory, try again later");
    buf_fini(&b);
}
