/* SPDX-License-Identifier: MIT */
#include "wire.h"
#include "cert.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct wire_server wire;
static duet_tls *tls;
static SSL_CTX *client_tls;

const char wire_request[] = "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

static void on_log(void *arg, const duet_log_event *e)
{
    (void)arg;
    int n =
        snprintf(wire.log + wire.log_len, sizeof(wire.log) - wire.log_len, "%s %s %d\n", e->event, e->reason, e->code);
    if (n > 0 && (size_t)n < sizeof(wire.log) - wire.log_len)
        wire.log_len += (size_t)n;
}

static duet_tls *make_tls(void)
{
    char cert[64], key[64], why[200] = "";
    if (tls != NULL)
        return tls;
    snprintf(cert, sizeof(cert), "/tmp/duet-wire-%d.crt", (int)getpid());
    snprintf(key, sizeof(key), "/tmp/duet-wire-%d.key", (int)getpid());
    cert_make(cert, key, "DNS:localhost,IP:127.0.0.1");
    const char *certs[] = { cert }, *keys[] = { key };
    int rc = duet_tls_new(&tls, certs, keys, 1, why);
    unlink(cert);
    unlink(key);
    if (rc < 0)
        fail_msg("%s", why);
    client_tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(client_tls, SSL_VERIFY_NONE, NULL);
    return tls;
}

void wire_tls_end(void)
{
    duet_tls_free(tls);
    SSL_CTX_free(client_tls);
    tls = NULL;
    client_tls = NULL;
}

__attribute__((destructor)) static void end(void)
{
    wire_tls_end();
}

int wire_try_serve(enum wire_kind kind, const duet_server_config *config)
{
    duet_server_config own = *config;
    char listen[80], why[200] = "";
    wire.kind = kind;
    wire.log_len = 0;
    wire.log[0] = 0;
    snprintf(wire.path, sizeof(wire.path), "/tmp/duet-wire-%d.sock", (int)getpid());
    if (kind == WIRE_UNIX)
        snprintf(listen, sizeof(listen), "unix:%s", wire.path);
    else
        snprintf(listen, sizeof(listen), "%s://127.0.0.1:0", kind == WIRE_TLS ? "wss" : "ws");
    own.size = sizeof(own);
    own.listen = own.listen ? own.listen : listen;
    own.tls = kind == WIRE_TLS ? make_tls() : NULL;
    own.log = own.log ? own.log : on_log;
    int rc = duet_loop_new(&wire.loop);
    if (rc == 0)
        rc = duet_server_new(&wire.server, &own, why);
    if (rc == 0)
        rc = duet_server_attach(wire.server, wire.loop);
    if (rc < 0)
        wire_stop();
    return rc;
}

void wire_serve(enum wire_kind kind, const duet_server_config *config)
{
    assert_int_equal(wire_try_serve(kind, config), 0);
}

void wire_stop(void)
{
    duet_server_free(wire.server);
    duet_loop_free(wire.loop);
    wire.server = NULL;
    wire.loop = NULL;
    if (wire.kind == WIRE_UNIX)
        unlink(wire.path);
}

void wire_turn(void)
{
    duet_loop_turn(wire.loop, 1);
}

void wire_settle(void)
{
    for (int turns = 0, quiet = 0; quiet < 3 && turns < WIRE_TURNS; turns++)
        quiet = duet_loop_turn(wire.loop, quiet == 2) > 0 || duet_loop_wait_ms(wire.loop) == 0 ? 0 : quiet + 1;
}

static int connect_socket(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)duet_server_port(wire.server, 0)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    bool is_unix = wire.kind == WIRE_UNIX;
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", wire.path);
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    int rc =
        is_unix ? connect(fd, (struct sockaddr *)&un, sizeof(un)) : connect(fd, (struct sockaddr *)&in, sizeof(in));
    assert_int_equal(rc, 0);
    int one = 1;
    if (!is_unix)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

struct client *client_raw(void)
{
    struct client *c = calloc(1, sizeof(*c));
    c->fd = connect_socket();
    return c;
}

void client_begin_tls(struct client *c)
{
    make_tls();
    if (c->ssl == NULL) {
        c->ssl = SSL_new(client_tls);
        SSL_set_fd(c->ssl, c->fd);
    }
    SSL_connect(c->ssl);
}

bool client_start_tls(struct client *c)
{
    if (c->ssl == NULL)
        client_begin_tls(c);
    for (int i = 0; i < WIRE_TURNS; i++) {
        int rc = SSL_connect(c->ssl), why = SSL_get_error(c->ssl, rc);
        if (rc == 1)
            return true;
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return false;
        wire_turn();
    }
    return false;
}

struct client *client_new(void)
{
    struct client *c = client_raw();
    if (wire.kind == WIRE_TLS)
        assert_true(client_start_tls(c));
    return c;
}

struct client *client_open(const char *fields)
{
    struct client *c = client_new();
    char head[4096];
    client_say(c, wire_request);
    client_say(c, fields ? fields : "");
    client_say(c, "\r\n");
    assert_int_equal(client_answer(c, head, NULL), 101);
    return c;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
    free(c);
}

void client_reset(struct client *c)
{
    struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    client_free(c);
}

void client_half_close(struct client *c)
{
    shutdown(c->fd, SHUT_WR);
}

size_t client_try(struct client *c, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    ssize_t n;
    if (c->ssl != NULL) {
        signal(SIGPIPE, SIG_IGN); /* OpenSSL's own write() on our side; the server's must raise none */
        int rc = SSL_write(c->ssl, data, len < 16384 ? (int)len : 16384);
        signal(SIGPIPE, SIG_DFL);
        int why = rc > 0 ? 0 : SSL_get_error(c->ssl, rc);
        c->broken = rc <= 0 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
        n = rc;
    } else {
        n = send(c->fd, data, len, MSG_NOSIGNAL);
        c->broken = n < 0 && errno != EAGAIN;
    }
    return n > 0 ? (size_t)n : 0;
}

void client_send(struct client *c, const void *data, size_t len)
{
    for (int i = 0; len > 0 && !c->broken && i < WIRE_TURNS; i++) {
        size_t n = client_try(c, data, len);
        data = (const char *)data + n;
        len -= n;
        if (n == 0)
            wire_turn();
    }
}

void client_say(struct client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

size_t client_encode(uint8_t *to, unsigned first_byte, const void *payload, size_t len)
{
    static const uint8_t key[4] = { 0x11, 0x22, 0x33, 0x44 };
    size_t n = 2;
    to[0] = (uint8_t)first_byte;
    if (len < 126) {
        to[1] = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        to[1] = 0x80 | 126;
        to[2] = (uint8_t)(len >> 8);
        to[3] = (uint8_t)len;
        n = 4;
    } else {
        to[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            to[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        n = 10;
    }
    memcpy(to + n, key, 4);
    for (size_t i = 0; i < len; i++)
        to[n + 4 + i] = ((const uint8_t *)payload)[i] ^ key[i % 4];
    return n + 4 + len;
}

void client_frame(struct client *c, unsigned first_byte, const void *payload, size_t len)
{
    uint8_t *frame = malloc(len + 14);
    client_send(c, frame, client_encode(frame, first_byte, payload, len));
    free(frame);
}

void client_close(struct client *c, unsigned code, const char *reason)
{
    uint8_t payload[125] = { (uint8_t)(code >> 8), (uint8_t)code };
    size_t n = strlen(reason);
    memcpy(payload + 2, reason, n);
    client_frame(c, 0x88, payload, n + 2);
}

static ssize_t read_some(struct client *c, void *to, size_t size)
{
    if (c->ssl == NULL)
        return recv(c->fd, to, size, 0);
    signal(SIGPIPE, SIG_IGN);
    int n = SSL_read(c->ssl, to, (int)size);
    signal(SIGPIPE, SIG_DFL);
    if (n > 0)
        return n;
    switch (SSL_get_error(c->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        c->shut = true;
        return 0;
    default:
        errno = ECONNRESET;
        return -1;
    }
}

void client_read(struct client *c)
{
    while (!c->eof && !c->reset) {
        if (c->cap - c->len < 65536) {
            c->cap = 2 * c->cap + 131072;
            c->in = realloc(c->in, c->cap);
        }
        ssize_t n = read_some(c, c->in + c->len, c->cap - c->len);
        if (n == 0)
            c->eof = true;
        else if (n < 0 && errno == EAGAIN)
            return;
        else if (n < 0)
            c->reset = true;
        else
            c->len += (size_t)n, c->total += (size_t)n;
    }
}

static bool over(const struct client *c)
{
    return c->eof || c->reset;
}

bool client_wait(struct client *c, size_t n)
{
    client_read(c);
    for (int i = 0; i < WIRE_TURNS && c->len < n && !over(c); i++) {
        wire_turn();
        client_read(c);
    }
    return c->len >= n;
}

bool client_wait_text(struct client *c, const char *text)
{
    client_read(c);
    for (int i = 0; i < WIRE_TURNS; i++) {
        if (c->len > 0 && memmem(c->in, c->len, text, strlen(text)))
            return true;
        if (over(c))
            return false;
        wire_turn();
        client_read(c);
    }
    return false;
}

void client_wait_end(struct client *c)
{
    client_read(c);
    for (int i = 0; i < WIRE_TURNS && !over(c); i++) {
        wire_turn();
        client_read(c);
    }
    assert_true(over(c));
}

void client_skip(struct client *c, size_t n)
{
    memmove(c->in, c->in + n, c->len - n);
    c->len -= n;
}

bool client_has_field(const char *head, const char *line)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "\r\n%s\r\n", line);
    return strcasestr(head, whole) != NULL;
}

unsigned client_answer(struct client *c, char head[4096], char body[4096])
{
    char own[4096];
    head = head ? head : own;
    head[0] = 0;
    if (body != NULL)
        body[0] = 0;
    if (!client_wait_text(c, "\r\n\r\n"))
        return 0;
    size_t n = (size_t)((uint8_t *)memmem(c->in, c->len, "\r\n\r\n", 4) - c->in) + 4;
    assert_true(n < 4096);
    memcpy(head, c->in, n);
    head[n] = 0;
    client_skip(c, n);
    const char *length = strcasestr(head, "\r\nContent-Length: ");
    size_t len = length ? strtoul(length + 18, NULL, 10) : 0;
    if (len > 0 && client_wait(c, len)) {
        if (body != NULL) {
            size_t most = len < 4095 ? len : 4095;
            memcpy(body, c->in, most);
            body[most] = 0;
        }
        client_skip(c, len);
    }
    return strncmp(head, "HTTP/1.", 7) == 0 ? (unsigned)strtoul(head + 9, NULL, 10) : 0;
}

static void line(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(struct client *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(c->trace + c->trace_len, WIRE_TRACE - c->trace_len, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < WIRE_TRACE - c->trace_len)
        c->trace_len += (size_t)n;
}

/* Length of the frame at the front of `in`, or 0 when it is not whole. */
static size_t frame_at(const struct client *c, size_t *head, size_t *len)
{
    const uint8_t *h = c->in;
    if (c->len < 2)
        return 0;
    *head = h[1] < 126 ? 2 : h[1] == 126 ? 4 : 10;
    if (c->len < *head)
        return 0;
    *len = h[1];
    if (h[1] >= 126) {
        *len = 0;
        for (size_t i = 2; i < *head; i++)
            *len = *len << 8 | h[i];
    }
    return c->len >= *head + *len ? *head + *len : 0;
}

static bool write_frame(struct client *c)
{
    static const char *const names[16] = { "continuation", "text", "binary", [8] = "close", "ping", "pong" };
    size_t head = 0, len = 0, n = c->len ? frame_at(c, &head, &len) : 0;
    if (n == 0)
        return false;
    const uint8_t *p = c->in + head;
    unsigned opcode = c->in[0] & 15;
    const char *name = names[opcode] ? names[opcode] : "strange", *more = c->in[0] & 0x80 ? "" : " more";
    if (c->in[0] & 0x70 || c->in[1] & 0x80)
        name = "wrong";
    if (opcode == 8 && len >= 2)
        line(c, "close %d '%.*s'\n", p[0] << 8 | p[1], (int)len - 2, (const char *)p + 2);
    else if (opcode == 8)
        line(c, "close\n");
    else if (len <= 125 || (opcode == 1 && len <= 4096 && p[0] == '{'))
        line(c, "%s '%.*s'%s\n", name, (int)len, (const char *)p, more);
    else
        line(c, "%s %zu bytes%s\n", name, len, more);
    client_skip(c, n);
    return true;
}

static unsigned count_lines(const char *text)
{
    unsigned n = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        n++;
    return n;
}

const char *client_trace(struct client *c, unsigned lines)
{
    c->trace_len = 0;
    c->trace[0] = 0;
    for (int i = 0; i < WIRE_TURNS; i++) {
        client_read(c);
        while (count_lines(c->trace) < lines && write_frame(c))
            continue;
        if (count_lines(c->trace) >= lines)
            break;
        if (over(c)) {
            line(c, c->reset ? "reset\n" : "eof\n");
            break;
        }
        wire_turn();
    }
    return c->trace;
}

const char *client_trace_end(struct client *c)
{
    return client_trace(c, UINT32_MAX);
}
