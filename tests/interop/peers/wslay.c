/* SPDX-License-Identifier: MIT */
/* wslay, both roles. It has the frames and messages; the handshake before them and TLS (OpenSSL's) are written here. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct session {
    int fd;
    SSL *ssl; /* NULL: plain */
    short wants;
    char head[4096]; /* the other side's, and what came right behind it */
    size_t have, used;
    unsigned long messages, octets;
    unsigned code;
    char reason[124];
    uint8_t *parts; /* to be sent in three frames */
    size_t len, done;
};

static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n";
static const char REQUEST[] = "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Protocol: elsewhere.v1, interop.v1\r\n\r\n";

static void give_up(const char *what)
{
    fprintf(stderr, "wslay: %s\n", what);
    exit(1);
}

/* As read() and write(); EAGAIN says in `wants` what to wait for. */
static ssize_t by_tls(struct session *s, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(s->ssl, n);
    s->wants = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t take(struct session *s, void *at, size_t len)
{
    s->wants = POLLIN;
    return s->ssl != NULL ? by_tls(s, SSL_read(s->ssl, at, (int)len)) : recv(s->fd, at, len, 0);
}

static ssize_t give(struct session *s, const void *at, size_t len)
{
    s->wants = POLLOUT;
    return s->ssl != NULL ? by_tls(s, SSL_write(s->ssl, at, (int)len)) : send(s->fd, at, len, MSG_NOSIGNAL);
}

static void wait_for(int fd, short events)
{
    struct pollfd one = { .fd = fd, .events = events };
    poll(&one, 1, -1);
}

static void give_all(struct session *s, const char *text)
{
    for (size_t len = strlen(text); len > 0;) {
        ssize_t n = give(s, text, len);
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            wait_for(s->fd, s->wants);
        } else {
            give_up("the handshake cannot be sent");
        }
    }
}

/* What comes behind the head is left for wslay. */
static void take_head(struct session *s)
{
    char *end = NULL;
    while (end == NULL) {
        ssize_t n = take(s, s->head + s->have, sizeof(s->head) - 1 - s->have);
        if (n > 0)
            s->have += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            wait_for(s->fd, s->wants);
        else
            give_up("no head came");
        end = memmem(s->head, s->have, "\r\n\r\n", 4);
    }
    s->used = (size_t)(end - s->head) + 4;
    end[2] = '\0';
}

/* The value of a field, ended in place; "" when it is not there. */
static char *field(struct session *s, const char *name, char *out, size_t room)
{
    size_t len = strlen(name);
    *out = '\0';
    for (const char *line = strstr(s->head, "\r\n"); line != NULL && *(line += 2) != '\0'; line = strstr(line, "\r\n"))
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            snprintf(out, room, "%.*s", (int)strcspn(line + len + 2, "\r"), line + len + 2);
    return out;
}

static void accept_for(const char *key, char out[64])
{
    char both[128];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n;
    snprintf(both, sizeof(both), "%s%s", key, GUID);
    EVP_Digest(both, strlen(both), digest, &n, EVP_sha1(), NULL);
    EVP_EncodeBlock((uint8_t *)out, digest, (int)n);
}

static void shake_as_server(struct session *s)
{
    char key[64], offered[128], accept[64], answer[512];
    take_head(s);
    accept_for(field(s, "Sec-WebSocket-Key", key, sizeof(key)), accept);
    if (strstr(field(s, "Sec-WebSocket-Protocol", offered, sizeof(offered)), "interop.v1") == NULL)
        give_up("the subprotocol was not asked for");
    snprintf(answer, sizeof(answer), ANSWER, accept, "interop.v1");
    give_all(s, answer);
    printf("open interop.v1\n");
    fflush(stdout);
}

static void shake_as_client(struct session *s)
{
    char key[64], accept[64], got[64], protocol[64], request[512];
    uint8_t random[16];
    RAND_bytes(random, sizeof(random));
    EVP_EncodeBlock((uint8_t *)key, random, sizeof(random));
    snprintf(request, sizeof(request), REQUEST, key);
    give_all(s, request);
    take_head(s);
    accept_for(key, accept);
    if (strncmp(s->head, "HTTP/1.1 101 ", 13) != 0 ||
        strcmp(field(s, "Sec-WebSocket-Accept", got, sizeof(got)), accept) != 0)
        give_up("the handshake was refused");
    printf("open %s\n", field(s, "Sec-WebSocket-Protocol", protocol, sizeof(protocol)));
    fflush(stdout);
}

static ssize_t on_recv(wslay_event_context_ptr w, uint8_t *at, size_t len, int flags, void *user)
{
    struct session *s = user;
    (void)flags;
    if (s->used < s->have) {
        size_t n = s->have - s->used < len ? s->have - s->used : len;
        memcpy(at, s->head + s->used, n);
        s->used += n;
        return (ssize_t)n;
    }
    ssize_t n = take(s, at, len);
    if (n <= 0)
        wslay_event_set_error(w, n < 0 && errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return n > 0 ? n : -1;
}

static ssize_t on_send(wslay_event_context_ptr w, const uint8_t *at, size_t len, int flags, void *user)
{
    (void)flags;
    ssize_t n = give(user, at, len);
    if (n < 0)
        wslay_event_set_error(w, errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return n;
}

static int on_mask(wslay_event_context_ptr w, uint8_t *at, size_t len, void *user)
{
    (void)w, (void)user;
    return RAND_bytes(at, (int)len) == 1 ? 0 : -1;
}

/* A frame of the message in parts: what this call gives is one. */
static ssize_t on_part(wslay_event_context_ptr w, uint8_t *at, size_t len, const union wslay_event_msg_source *source,
                       int *eof, void *user)
{
    struct session *s = user;
    (void)w, (void)source;
    size_t n = s->len - s->done < len ? s->len - s->done : len;
    if (s->done == 0)
        n = 20;
    memcpy(at, s->parts + s->done, n);
    s->done += n;
    *eof = s->done == s->len;
    return (ssize_t)n;
}

static void send_parts(wslay_event_context_ptr w, struct session *s, const uint8_t *at, size_t len)
{
    struct wslay_event_fragmented_msg parts = { .opcode = WSLAY_TEXT_FRAME, .read_callback = on_part };
    s->parts = malloc(len);
    memcpy(s->parts, at, len);
    s->len = len;
    wslay_event_queue_fragmented_msg(w, &parts);
}

static void queue(wslay_event_context_ptr w, unsigned opcode, const void *at, size_t len)
{
    struct wslay_event_msg m = { .opcode = (uint8_t)opcode, .msg = at, .msg_length = len };
    if (wslay_event_queue_msg(w, &m) != 0)
        give_up("a message cannot be queued");
}

static void on_msg(wslay_event_context_ptr w, const struct wslay_event_on_msg_recv_arg *m, void *user)
{
    struct session *s = user;
    if (m->opcode == WSLAY_CONNECTION_CLOSE) {
        s->code = m->status_code != 0 ? m->status_code : 1005;
        if (m->msg_length > 2)
            snprintf(s->reason, sizeof(s->reason), "%.*s", (int)m->msg_length - 2, (const char *)m->msg + 2);
    } else if (m->opcode == WSLAY_PONG) {
        queue(w, WSLAY_TEXT_FRAME, "pong", 4);
    }
    if (wslay_is_ctrl_frame(m->opcode))
        return;
    bool text = m->opcode == WSLAY_TEXT_FRAME;
    s->messages++;
    s->octets += m->msg_length;
    if (text && m->msg_length == 6 && memcmp(m->msg, "!close", 6) == 0)
        wslay_event_queue_close(w, 1000, (const uint8_t *)"from the peer", 13);
    else if (text && m->msg_length == 5 && memcmp(m->msg, "!ping", 5) == 0)
        queue(w, WSLAY_PING, "here", 4);
    else if (text && m->msg_length > 65536 && memcmp(m->msg, "!parts", 6) == 0)
        send_parts(w, s, m->msg, m->msg_length);
    else
        queue(w, m->opcode, m->msg, m->msg_length);
}

static void talk(struct session *s, bool client)
{
    static const struct wslay_event_callbacks on = {
        .recv_callback = on_recv, .send_callback = on_send, .genmask_callback = on_mask, .on_msg_recv_callback = on_msg,
    };
    wslay_event_context_ptr w;
    if ((client ? wslay_event_context_client_init : wslay_event_context_server_init)(&w, &on, s) != 0)
        give_up("no memory");
    wslay_event_config_set_max_recv_msg_length(w, 1 << 21);
    while (wslay_event_want_read(w) || wslay_event_want_write(w)) {
        if (wslay_event_recv(w) != 0 || wslay_event_send(w) != 0)
            break;
        bool more = s->used < s->have || (s->ssl != NULL && SSL_pending(s->ssl) > 0);
        if (!more && (wslay_event_want_read(w) || wslay_event_want_write(w)))
            wait_for(s->fd, (short)(POLLIN | (wslay_event_want_write(w) ? POLLOUT : 0)));
    }
    wslay_event_context_free(w);
}

/* TCP is the server's to end. The report comes behind that, as the next connection does. */
static void finish(struct session *s, bool client)
{
    char rest[512];
    if (s->ssl != NULL)
        SSL_shutdown(s->ssl);
    if (!client)
        shutdown(s->fd, SHUT_WR);
    fcntl(s->fd, F_SETFL, 0);
    while (recv(s->fd, rest, sizeof(rest), 0) > 0)
        ;
    SSL_free(s->ssl);
    close(s->fd);
    printf("closed %u %lu %lu %s\n", s->code != 0 ? s->code : 1006, s->messages, s->octets, s->reason);
    fflush(stdout);
    free(s->parts);
}

static void run(int fd, SSL_CTX *tls, bool client)
{
    static struct session s; /* each connection is a process of its own */
    s.fd = fd;
    if (tls != NULL && ((s.ssl = SSL_new(tls)) == NULL || SSL_set_fd(s.ssl, fd) != 1))
        give_up("no memory");
    if (tls != NULL && client)
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s.ssl), "127.0.0.1");
    if (tls != NULL && (client ? SSL_connect : SSL_accept)(s.ssl) != 1)
        give_up("TLS failed");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    (client ? shake_as_client : shake_as_server)(&s);
    talk(&s, client);
    finish(&s, client);
}

static SSL_CTX *secure(bool client)
{
    const char *cert = getenv("INTEROP_CERT"), *key = getenv("INTEROP_KEY"), *ca = getenv("INTEROP_CA");
    if (cert == NULL)
        return NULL;
    SSL_CTX *tls = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (client)
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (client ? SSL_CTX_load_verify_locations(tls, ca, NULL) != 1
               : SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
                     SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        give_up("a certificate cannot be read");
    return tls;
}

static void serve(SSL_CTX *tls)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int door = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(door, (struct sockaddr *)&at, len) < 0 || listen(door, 8) < 0 ||
        getsockname(door, (struct sockaddr *)&at, &len) < 0)
        give_up("no port");
    printf("port %u\n", ntohs(at.sin_port));
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    for (int fd; (fd = accept(door, NULL, NULL)) >= 0; close(fd))
        if (fork() == 0) {
            run(fd, tls, false);
            exit(0);
        }
}

int main(int argc, char **argv)
{
    bool client = argc > 2;
    SSL_CTX *tls = secure(client);
    signal(SIGPIPE, SIG_IGN);
    if (!client) {
        serve(tls);
        return 1;
    }
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    at.sin_port = htons((unsigned short)atoi(strrchr(argv[2], ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        give_up("nobody listens");
    run(fd, tls, true);
    return 0;
}
