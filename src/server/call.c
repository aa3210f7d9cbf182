/* SPDX-License-Identifier: MIT */
/* From an id to what it names, on its loop or from another thread. */
#include "base/mem.h"
#include "base/utf8.h"
#include "server/server.h"

duet_conn *duet_conn_find(duet_server *s, uint64_t id)
{
    struct server_loop *l = server_current(s);
    duet_conn *c = l ? server_find(l, id) : NULL;
    return c != NULL && c->opened && c->state == CONN_ACTIVE ? c : NULL;
}

duet_http *duet_http_find(duet_server *s, uint64_t id)
{
    struct server_loop *l = server_current(s);
    duet_conn *c = l ? server_find(l, id) : NULL;
    return c != NULL && c->state == CONN_ACTIVE ? conn_http(c) : NULL;
}

struct call {
    duet_server *server;
    uint64_t id;
    void (*fn)(duet_server *, uint64_t, void *);
    void *arg;
    duet_shared *message;
};

static void run_call(void *arg)
{
    struct call call = *(struct call *)arg;
    mem_free(arg);
    if (call.fn != NULL) {
        call.fn(call.server, call.id, call.arg);
        return;
    }
    duet_conn *c = duet_conn_find(call.server, call.id);
    if (c != NULL)
        duet_send_shared(c, call.message);
    duet_shared_unref(call.message);
}

static int post(const struct call *call)
{
    duet_server *s = call->server;
    unsigned index = call->id & 0xff;
    duet_loop *loop = index < s->count ? __atomic_load_n(&s->loops[index].loop, __ATOMIC_ACQUIRE) : NULL;
    if (loop == NULL)
        return DUET_ERR_GONE;
    struct call *copy = mem_dup(call, sizeof(*call));
    if (copy == NULL)
        return DUET_ERR_NOMEM;
    int rc = loop_post(loop, run_call, copy);
    if (rc < 0)
        mem_free(copy);
    return rc;
}

int duet_post(duet_server *s, uint64_t id, void (*fn)(duet_server *s, uint64_t id, void *arg), void *arg)
{
    return post(&(struct call){ .server = s, .id = id, .fn = fn, .arg = arg });
}

int duet_post_all(duet_server *s, void (*fn)(duet_server *s, uint64_t loop, void *arg), void *arg)
{
    int rc = 0;
    for (unsigned i = 0; i < s->count && rc == 0; i++)
        rc = post(&(struct call){ .server = s, .id = i, .fn = fn, .arg = arg });
    return rc;
}

int duet_send_to(duet_server *s, uint64_t id, duet_type type, const void *data, size_t len)
{
    if (type == DUET_TEXT && !utf8_valid(data, len))
        return DUET_ERR_UTF8;
    duet_shared *m = duet_shared_new(type, data, len);
    if (m == NULL)
        return DUET_ERR_NOMEM;
    int rc = post(&(struct call){ .server = s, .id = id, .message = m });
    if (rc < 0)
        duet_shared_unref(m);
    return rc;
}
