/* SPDX-License-Identifier: MIT */
/* libwebsockets: lws echo|fan PORT. A message is gathered, and written when the library says that it can be; one to
 * all is kept once. */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE = 64 };

struct message {
    unsigned refs;
    size_t len;
    enum lws_write_protocol how;
    unsigned char data[]; /* behind LWS_PRE octets that are the library's */
};

struct session {
    struct session *next, **back;
    struct lws *wsi;
    struct message *gathered, *held;
    struct message *queue[QUEUE];
    unsigned first, count;
};

static struct session *members;
static int fan;

static void unref(struct message *m)
{
    if (m != NULL && --m->refs == 0)
        free(m);
}

static void gather(struct session *s, struct lws *wsi, const void *in, size_t len)
{
    size_t old = s->gathered != NULL ? s->gathered->len : 0;
    size_t ahead = lws_remaining_packet_payload(wsi);
    s->gathered = realloc(s->gathered, sizeof(struct message) + LWS_PRE + old + len + (old == 0 ? ahead : 0));
    memcpy(s->gathered->data + LWS_PRE + old, in, len);
    s->gathered->len = old + len;
    s->gathered->refs = 1;
    s->gathered->how = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
}

static void queue(struct session *s, struct message *m)
{
    if (s->count == QUEUE)
        abort(); /* more than the load has under way */
    m->refs++;
    s->queue[(s->first + s->count++) % QUEUE] = m;
    lws_callback_on_writable(s->wsi);
}

static void whole(struct session *s)
{
    struct message *m = s->gathered;
    s->gathered = NULL;
    if (!fan)
        queue(s, m);
    else
        for (struct session *to = members; to != NULL; to = to->next)
            queue(to, m);
    unref(m);
}

/* With permessage-deflate the library reads on in what it was given, after lws_write(). */
static int send_first(struct session *s)
{
    if (s->count == 0)
        return 0;
    unref(s->held);
    s->held = s->queue[s->first];
    s->first = (s->first + 1) % QUEUE;
    s->count--;
    int n = lws_write(s->wsi, s->held->data + LWS_PRE, s->held->len, s->held->how);
    if (s->count > 0)
        lws_callback_on_writable(s->wsi);
    return n < 0 ? -1 : 0;
}

static void begin(struct session *s, struct lws *wsi)
{
    s->wsi = wsi;
    s->next = members;
    s->back = &members;
    if (members != NULL)
        members->back = &s->next;
    members = s;
}

static void end(struct session *s)
{
    *s->back = s->next;
    if (s->next != NULL)
        s->next->back = s->back;
    free(s->gathered);
    unref(s->held);
    for (; s->count > 0; s->count--, s->first++)
        unref(s->queue[s->first % QUEUE]);
}

static int on(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct session *s = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        begin(s, wsi);
        break;
    case LWS_CALLBACK_CLOSED:
        end(s);
        break;
    case LWS_CALLBACK_RECEIVE:
        gather(s, wsi, in, len);
        if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0)
            whole(s);
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return send_first(s);
    default:
        break;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    { "bench", on, sizeof(struct session), 65536, 0, NULL, 0 },
    { NULL, NULL, 0, 0, 0, NULL, 0 },
};

static const struct lws_extension extensions[] = {
    { "permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate" },
    { NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    fan = argv[1][0] == 'f';
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {
        .port = atoi(argv[2]),
        .iface = "127.0.0.1",
        .protocols = protocols,
        .extensions = getenv("BENCH_DEFLATE") != NULL ? extensions : NULL,
        .pt_serv_buf_size = 65536,
        .options = LWS_SERVER_OPTION_VALIDATE_UTF8,
    };
    struct lws_context *context = lws_create_context(&info);
    while (context != NULL && lws_service(context, 0) >= 0)
        ;
    return 1;
}
