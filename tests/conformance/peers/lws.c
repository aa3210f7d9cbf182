/* SPDX-License-Identifier: MIT */
/* libwebsockets as an echo server (without arguments: on a port of its own choice, which it prints) or as an echo
 * client of a URL. It gathers a message's pieces and sends it whole. */
#include <libwebsockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
    struct message *next;
    size_t len;
    int binary;
    unsigned char data[]; /* behind LWS_PRE octets that are the library's */
};

struct session {
    unsigned char *gathered;
    size_t len, room;
    int binary;
    struct message *first, **last;
};

static int done;

static void gather(struct session *s, const void *in, size_t len)
{
    if (s->len + len > s->room) {
        s->room = (s->len + len) * 2;
        s->gathered = realloc(s->gathered, s->room);
        if (s->gathered == NULL)
            abort();
    }
    if (len > 0)
        memcpy(s->gathered + s->len, in, len);
    s->len += len;
}

static void queue(struct session *s)
{
    struct message *m = malloc(sizeof(*m) + LWS_PRE + s->len);
    if (m == NULL)
        abort();
    *m = (struct message){ .len = s->len, .binary = s->binary };
    if (s->len > 0)
        memcpy(m->data + LWS_PRE, s->gathered, s->len);
    *s->last = m;
    s->last = &m->next;
    s->len = 0;
}

static int send_first(struct lws *wsi, struct session *s)
{
    struct message *m = s->first;
    if (m == NULL)
        return 0;
    int n = lws_write(wsi, m->data + LWS_PRE, m->len, m->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
    s->first = m->next;
    if (s->first == NULL)
        s->last = &s->first;
    else
        lws_callback_on_writable(wsi);
    free(m);
    return n < 0 ? -1 : 0;
}

static void forget(struct session *s)
{
    free(s->gathered);
    while (s->first != NULL) {
        struct message *m = s->first;
        s->first = m->next;
        free(m);
    }
}

static int echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct session *s = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        *s = (struct session){ .last = &s->first };
        break;
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (lws_is_first_fragment(wsi))
            s->binary = lws_frame_is_binary(wsi);
        gather(s, in, len);
        if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) {
            queue(s);
            lws_callback_on_writable(wsi);
        }
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return send_first(wsi, s);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        done = 1;
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        done = 1;
        forget(s);
        break;
    case LWS_CALLBACK_CLOSED:
        forget(s);
        break;
    default:
        break;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    { "echo", echo, sizeof(struct session), 65536, 0, NULL, 0 },
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

static int connect_to(struct lws_context *context, char *url)
{
    const char *scheme, *host, *path;
    char slashed[300];
    int port;
    if (lws_parse_uri(url, &scheme, &host, &port, &path))
        return -1;
    snprintf(slashed, sizeof(slashed), "/%s", path);
    struct lws_client_connect_info info = {
        .context = context, .address = host, .port = port, .path = slashed, .host = host, .origin = host,
        .protocol = NULL, .local_protocol_name = "echo", .ietf_version_or_minus_one = -1,
    };
    return lws_client_connect_via_info(&info) == NULL ? -1 : 0;
}

int main(int argc, char **argv)
{
    signal(SIGTERM, stop);
    lws_set_log_level(0, NULL);
    struct lws_context_creation_info info = {
        .port = argc > 1 ? CONTEXT_PORT_NO_LISTEN : 0, .iface = argc > 1 ? NULL : "127.0.0.1",
        .protocols = protocols, .extensions = extensions, .pt_serv_buf_size = 65536,
        .options = LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_EXPLICIT_VHOSTS, .vhost_name = "localhost",
    };
    struct lws_context *context = lws_create_context(&info);
    struct lws_vhost *host = context != NULL ? lws_create_vhost(context, &info) : NULL;
    if (host == NULL || (argc > 1 && connect_to(context, argv[1]) < 0)) {
        fprintf(stderr, "lws: cannot start\n");
        return 1;
    }
    if (argc < 2) {
        printf("%d\n", lws_get_vhost_listen_port(host));
        fflush(stdout);
    }
    while (!done && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    return 0;
}
