/* SPDX-License-Identifier: MIT */
/* libsoup 3, both roles. */
#include <libsoup/soup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static GMainLoop *loop;
static int is_client;

struct counts {
    unsigned long messages, octets;
};

static void message(SoupWebsocketConnection *c, int type, GBytes *data, struct counts *counts)
{
    gsize len;
    const char *text = g_bytes_get_data(data, &len);
    counts->messages++;
    counts->octets += len;
    if (len == 6 && memcmp(text, "!close", 6) == 0)
        soup_websocket_connection_close(c, 1000, "from the peer");
    else
        soup_websocket_connection_send_message(c, type, data);
}

static void closed(SoupWebsocketConnection *c, struct counts *counts)
{
    const char *reason = soup_websocket_connection_get_close_data(c);
    printf("closed %u %lu %lu %s\n", soup_websocket_connection_get_close_code(c), counts->messages, counts->octets,
           reason != NULL ? reason : "");
    fflush(stdout);
    free(counts);
    g_object_unref(c);
    if (is_client)
        g_main_loop_quit(loop);
}

static void opened(SoupWebsocketConnection *c)
{
    struct counts *counts = calloc(1, sizeof(*counts));
    const char *protocol = soup_websocket_connection_get_protocol(c);
    printf("open %s\n", protocol != NULL ? protocol : "none");
    fflush(stdout);
    soup_websocket_connection_set_max_incoming_payload_size(c, 1 << 21);
    g_signal_connect(c, "message", G_CALLBACK(message), counts);
    g_signal_connect(c, "closed", G_CALLBACK(closed), counts);
}

static void served(SoupServer *server, SoupServerMessage *m, const char *path, SoupWebsocketConnection *c, void *arg)
{
    (void)server, (void)m, (void)path, (void)arg;
    opened(g_object_ref(c));
}

static void connected(GObject *session, GAsyncResult *result, void *arg)
{
    (void)arg;
    GError *error = NULL;
    SoupWebsocketConnection *c = soup_session_websocket_connect_finish(SOUP_SESSION(session), result, &error);
    if (c == NULL) {
        fprintf(stderr, "libsoup: %s\n", error->message);
        exit(1);
    }
    opened(c);
}

static void serve(int deflate)
{
    static char *protocols[] = { "interop.v1", NULL };
    GError *error = NULL;
    const char *cert = getenv("INTEROP_CERT");
    SoupServer *server = soup_server_new(NULL, NULL);
    if (cert != NULL)
        soup_server_set_tls_certificate(server,
                                        g_tls_certificate_new_from_files(cert, getenv("INTEROP_KEY"), &error));
    if (!deflate)
        soup_server_remove_websocket_extension(server, SOUP_TYPE_WEBSOCKET_EXTENSION_DEFLATE);
    soup_server_add_websocket_handler(server, "/echo", NULL, protocols, served, NULL, NULL);
    int how = SOUP_SERVER_LISTEN_IPV4_ONLY | (cert != NULL ? SOUP_SERVER_LISTEN_HTTPS : 0);
    if (error != NULL || !soup_server_listen_local(server, 0, how, &error)) {
        fprintf(stderr, "libsoup: %s\n", error->message);
        exit(1);
    }
    printf("port %d\n", g_uri_get_port(soup_server_get_uris(server)->data));
    fflush(stdout);
}

static void visit(const char *url, int deflate)
{
    static char *protocols[] = { "elsewhere.v1", "interop.v1", NULL };
    SoupSession *session = soup_session_new();
    const char *ca = getenv("INTEROP_CA");
    if (ca != NULL)
        soup_session_set_tls_database(session, g_tls_file_database_new(ca, NULL));
    if (deflate)
        soup_session_add_feature_by_type(session, SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
    else
        soup_session_remove_feature_by_type(session, SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
    soup_session_websocket_connect_async(session, soup_message_new("GET", url), NULL, protocols, G_PRIORITY_DEFAULT,
                                         NULL, connected, NULL);
}

int main(int argc, char **argv)
{
    int deflate = getenv("INTEROP_DEFLATE") != NULL;
    loop = g_main_loop_new(NULL, FALSE);
    is_client = argc > 2;
    if (is_client)
        visit(argv[2], deflate);
    else
        serve(deflate);
    g_main_loop_run(loop);
    return 0;
}
