/* SPDX-License-Identifier: MIT */
/*
 * libwebsockets as an echo server with its permessage-deflate, for one message at a time: lws-echo PORT. With more of
 * them and lws_rx_flow_control() its inflating ends with "invalid distance too far back" (4.1.6), though zlib inflates
 * each message that our client sent by itself, with a window as agreed.
 */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4 << 20 };

struct session {
    unsigned char *data; /* LWS_PRE bytes, then the message as it comes */
    size_t len;
    int binary, whole;
};

static int receive(struct lws *wsi, struct session *s, const void *in, size_t len)
{
    if (s->data == NULL && (s->data = malloc(LWS_PRE + MOST)) == NULL)
        return -1;
    if (len > MOST - s->len)
        return -1;
    memcpy(s->data + LWS_PRE + s->len, in, len);
    s->len += len;
    s->binary = lws_frame_is_binary(wsi);
    if (!lws_is_final_fragment(wsi))
        return 0;
    s->whole = 1;
    lws_callback_on_writable(wsi);
    return 0;
}

static int send_back(struct lws *wsi, struct session *s)
{
    if (lws_write(wsi, s->data + LWS_PRE, s->len, s->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT) < 0)
        return -1;
    s->whole = 0;
    s->len = 0;
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct session *s = user;
    switch (reason) {
    case LWS_CALLBACK_RECEIVE:
        return receive(wsi, s, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return s->whole ? send_back(wsi, s) : 0; /* it also comes while a compressed one drains */
    case LWS_CALLBACK_CLOSED:
        free(s->data);
        return 0;
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        { "echo", on_event, sizeof(struct session), 65536, 0, NULL, 0 },
        { NULL, NULL, 0, 0, 0, NULL, 0 },
    };
    static const struct lws_extension extensions[] = {
        { "permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate" },
        { NULL, NULL, NULL },
    };
    struct lws_context_creation_info info = { .port = argc > 1 ? atoi(argv[1]) : 0, .protocols = protocols,
                                              .extensions = extensions };
    struct lws_context *context = lws_create_context(&info);
    while (context != NULL && lws_service(context, 0) >= 0)
        ;
    return 1;
}
