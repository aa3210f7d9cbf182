/* SPDX-License-Identifier: MIT */
/* libwebsockets, both roles. It gathers a message's pieces and sends it whole, but for what is to be sent in parts. */
#include <libwebsockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = LWS_WRITE_TEXT, BINARY = LWS_WRITE_BINARY, PING = LWS_WRITE_PING, REST = LWS_WRITE_CONTINUATION };

struct frame {
    struct frame *next;
    size_t len;
    int how;
    unsigned char data[]; /* behind LWS_PRE octets that are the library's */
};

struct session {
    unsigned char *gathered;
    size_t len, room;
    int binary, closing;
    unsigned long messages, octets;
    unsigned code;
    char reason[124];
    struct frame *first, **last, *held;
};

static int done;

static void queue(struct session *s, const void *data, size_t len, int how)
{
    struct frame *f = malloc(sizeof(*f) + LWS_PRE + len);
    *f = (struct frame){ .len = len, .how = how };
    if (len > 0)
        memcpy(f->data + LWS_PRE, data, len);
    *s->last = f;
    s->last = &f->next;
}

static void gather(struct session *s, const void *in, size_t len)
{
    if (s->len + len > s->room) {
        s->room = (s->len + len) * 2;
        s->gathered = realloc(s->gathered, s->room);
    }
    if (len > 0)
        memcpy(s->gathered + s->len, in, len);
    s->len += len;
}

static void answer(struct session *s)
{
    s->messages++;
    s->octets += s->len;
    if (!s->binary && s->len == 6 && memcmp(s->gathered, "!close", 6) == 0) {
        s->closing = 1;
    } else if (!s->binary && s->len == 5 && memcmp(s->gathered, "!ping", 5) == 0) {
        queue(s, "here", 4, PING);
    } else if (!s->binary && s->len > 65536 && memcmp(s->gathered, "!parts", 6) == 0) {
        queue(s, s->gathered, 20, TEXT | LWS_WRITE_NO_FIN);
        queue(s, s->gathered + 20, 40001, REST | LWS_WRITE_NO_FIN);
        queue(s, s->gathered + 40021, s->len - 40021, REST);
    } else {
        queue(s, s->gathered, s->len, s->binary ? BINARY : TEXT);
    }
    s->len = 0;
}

static int send_first(struct lws *wsi, struct session *s)
{
    struct frame *f = s->first;
    if (f == NULL && s->closing) {
        lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, (unsigned char *)"from the peer", 13);
        s->code = 1000; /* it does not tell the answer; CLOSED comes behind it */
        return -1;
    }
    if (f == NULL)
        return 0;
    int n = lws_write(wsi, f->data + LWS_PRE, f->len, (enum lws_write_protocol)f->how);
    s->first = f->next;
    if (s->first == NULL)
        s->last = &s->first;
    /* With permessage-deflate it reads on in what it was given, after lws_write(). */
    free(s->held);
    s->held = f;
    if (s->first != NULL || s->closing)
        lws_callback_on_writable(wsi);
    return n < 0 ? -1 : 0;
}

static void ended(struct session *s)
{
    printf("closed %u %lu %lu %s\n", s->code != 0 ? s->code : 1006, s->messages, s->octets, s->reason);
    fflush(stdout);
    free(s->gathered);
    free(s->held);
    while (s->first != NULL) {
        struct frame *f = s->first;
        s->first = f->next;
        free(f);
    }
}

static void peer_closes(struct session *s, const unsigned char *in, size_t len)
{
    s->code = len >= 2 ? (unsigned)(in[0] << 8 | in[1]) : 1005;
    if (len > 2)
        snprintf(s->reason, sizeof(s->reason), "%.*s", (int)len - 2, (const char *)in + 2);
}

static void begin(struct lws *wsi, struct session *s)
{
    *s = (struct session){ .last = &s->first };
    printf("open %s\n", lws_get_protocol(wsi)->name);
    fflush(stdout);
}

static int echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct session *s = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        begin(wsi, s);
        break;
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (lws_is_first_fragment(wsi))
            s->binary = lws_frame_is_binary(wsi);
        gather(s, in, len);
        if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) {
            answer(s);
            lws_callback_on_writable(wsi);
        }
        break;
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        queue(s, "pong", 4, TEXT);
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return send_first(wsi, s);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        peer_closes(s, in, len);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        fprintf(stderr, "lws: %s\n", in != NULL ? (const char *)in : "no connection");
        done = 1;
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        done = 1;
        ended(s);
        break;
    case LWS_CALLBACK_CLOSED:
        ended(s);
        break;
    default:
        break;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    { "interop.v1", echo, sizeof(struct session), 65536, 0, NULL, 0 },
    { NULL, NULL, 0, 0, 0, NULL, 0 },
};

static const struct lws_extension extensions[] = {
    { "permessage-deflate", lws_extension_callback_pm_deflate,
      "permessage-deflate; client_no_context_takeover; client_max_window_bits" },
    { NULL, NULL, NULL },
};

static void stop(int number)
{
    (void)number;
    done = 1;
}

static int connect_to(struct lws_context *context, struct lws_vhost *host, char *url, int secure)
{
    const char *scheme, *address, *path;
    int port;
    if (lws_parse_uri(url, &scheme, &address, &port, &path))
        return -1;
    struct lws_client_connect_info info = {
        .context = context, .vhost = host, .address = address, .port = port, .path = "/echo",
        .host = "localhost", .protocol = "elsewhere.v1, interop.v1", .local_protocol_name = "interop.v1",
        .ietf_version_or_minus_one = -1, .ssl_connection = secure ? LCCSCF_USE_SSL : 0,
    };
    return lws_client_connect_via_info(&info) == NULL ? -1 : 0;
}

int main(int argc, char **argv)
{
    int client = argc > 2, secure = getenv("INTEROP_CA") != NULL;
    signal(SIGTERM, stop);
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {
        .port = client ? CONTEXT_PORT_NO_LISTEN : 0, .iface = client ? NULL : "127.0.0.1",
        .protocols = protocols, .extensions = getenv("INTEROP_DEFLATE") != NULL ? extensions : NULL,
        .pt_serv_buf_size = 65536, .vhost_name = "localhost",
        .options = LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
    };
    if (secure) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        if (client) {
            info.client_ssl_ca_filepath = getenv("INTEROP_CA");
        } else {
            info.ssl_cert_filepath = getenv("INTEROP_CERT");
            info.ssl_private_key_filepath = getenv("INTEROP_KEY");
        }
    }
    struct lws_context *context = lws_create_context(&info);
    struct lws_vhost *host = context != NULL ? lws_create_vhost(context, &info) : NULL;
    if (host == NULL || (client && connect_to(context, host, argv[2], secure) < 0)) {
        fprintf(stderr, "lws: cannot start\n");
        return 1;
    }
    if (!client) {
        printf("port %d\n", lws_get_vhost_listen_port(host));
        fflush(stdout);
    }
    while (!done && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    return 0;
}
