/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL reads and writes through a BIO of ours, and the BIO through buffers of the loop, which all its streams share:
 *
 *     socket --recv--> in[] --BIO--> OpenSSL ----> the caller
 *     the caller ----> plain[] ----> OpenSSL --BIO--> out[] --send--> socket
 *
 * So an operation is one recv or one send where the socket allows it. The buffers are empty between operations: what
 * OpenSSL did not come to read is set aside for the stream (`ahead`), as is what the socket did not take (`kept`). Both
 * are rare, and freed as soon as they are used up; an idle stream owns neither. The BIO takes whatever OpenSSL writes,
 * so a write never has to be repeated with the same bytes (TLS-6).
 */
#include "net/stream_tls.h"
#include "base/mem.h"
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECORD = 16 * 1024,     /* the most plain bytes of one record */
    SEALED = RECORD + 1024, /* and with its head and tag, generously */
    IN = 128 * 1024,
    OUT = 64 * 1024,
    IN_LEAST = 4096,
    UPDATES_MOST = 100, /* a minute */
    MINUTE_MS = 60 * 1000,
};

struct tls_buffers {
    size_t in_at, in_len, out_len;
    unsigned char in[IN], out[OUT + SEALED], plain[RECORD];
};

/* Bytes that wait; `data` is NULL when there are none. */
struct waiting {
    unsigned char *data;
    size_t at, len;
};

struct tls {
    struct stream_kind kind; /* first */
    SSL *ssl;
    duet_loop *loop;
    struct waiting ahead, kept;
    const char *reason;
    uint64_t updates_since_ms;
    size_t wanted; /* by the operation that runs: how much to ask the socket for */
    unsigned updates;
    int dead;      /* the error, for ever */
    bool dry;      /* the socket was emptied in this operation */
    bool eof;      /* FIN came */
    bool ended;    /* close_notify came */
    bool untold;   /* bytes were returned in place of the end or the error: it is still due */
    bool shutting; /* SHUT_WR is due when nothing is kept */
};

static struct tls *tls_of(const struct stream *s)
{
    return (struct tls *)(uintptr_t)s->as;
}

static void waiting_free(struct waiting *w)
{
    mem_free(w->data);
    *w = (struct waiting){ 0 };
}

static bool waiting_add(struct waiting *w, const unsigned char *data, size_t len)
{
    unsigned char *grown = mem_realloc(w->data, w->len + len);
    if (grown == NULL)
        return false;
    memcpy(grown + w->len, data, len);
    w->data = grown;
    w->len += len;
    return true;
}

static void waiting_used(struct waiting *w, size_t n)
{
    w->at += n;
    if (w->at == w->len)
        waiting_free(w);
}

static void die(struct tls *t, int error)
{
    if (t->dead == 0)
        t->dead = error;
    waiting_free(&t->ahead);
    waiting_free(&t->kept);
}

/* Sends what the socket takes; how much that was. */
static size_t send_some(struct stream *s, const unsigned char *data, size_t len)
{
    struct tls *t = tls_of(s);
    ssize_t n;
    do
        n = send(s->watch.fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (size_t)n;
    if (errno != EAGAIN)
        die(t, -errno);
    return 0;
}

/* Empties out[] into the socket, behind what was kept; the rest is kept. */
static void flush(struct stream *s)
{
    struct tls *t = tls_of(s);
    struct tls_buffers *b = t->loop->tls;
    size_t sent = 0;
    if (t->kept.data != NULL)
        waiting_used(&t->kept, send_some(s, t->kept.data + t->kept.at, t->kept.len - t->kept.at));
    if (t->kept.data == NULL && t->dead == 0 && b->out_len > 0)
        sent = send_some(s, b->out, b->out_len);
    if (t->dead == 0 && sent < b->out_len && !waiting_add(&t->kept, b->out + sent, b->out_len - sent))
        die(t, DUET_ERR_NOMEM);
    b->out_len = 0;
    if (t->shutting && t->kept.data == NULL) {
        t->shutting = false;
        shutdown(s->watch.fd, SHUT_WR);
    }
}

/* Fills in[] when it is empty. False: nothing to be had, and `dry`, `eof` or `dead` says why. */
static bool fill(struct stream *s)
{
    struct tls *t = tls_of(s);
    struct tls_buffers *b = t->loop->tls;
    if (b->in_at < b->in_len)
        return true;
    if (t->dry || t->eof || t->dead != 0)
        return false;
    size_t size = t->wanted < IN_LEAST ? IN_LEAST : t->wanted > IN ? IN : t->wanted;
    ssize_t n;
    do
        n = recv(s->watch.fd, b->in, size, 0);
    while (n < 0 && errno == EINTR);
    t->dry = n < (ssize_t)size; /* a short count saves asking once more */
    t->eof = n == 0;
    if (n < 0 && errno != EAGAIN)
        die(t, -errno);
    b->in_at = 0;
    b->in_len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int bio_read(BIO *bio, char *to, int size)
{
    struct stream *s = BIO_get_data(bio);
    struct tls *t = tls_of(s);
    struct tls_buffers *b = t->loop->tls;
    BIO_clear_retry_flags(bio);
    size_t n = (size_t)size;
    if (t->ahead.data != NULL) {
        if (n > t->ahead.len - t->ahead.at)
            n = t->ahead.len - t->ahead.at;
        memcpy(to, t->ahead.data + t->ahead.at, n);
        waiting_used(&t->ahead, n);
        return (int)n;
    }
    if (!fill(s)) {
        if (t->dead == 0 && !t->eof)
            BIO_set_retry_read(bio);
        return t->eof ? 0 : -1;
    }
    if (n > b->in_len - b->in_at)
        n = b->in_len - b->in_at;
    memcpy(to, b->in + b->in_at, n);
    b->in_at += n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct stream *s = BIO_get_data(bio);
    struct tls *t = tls_of(s);
    struct tls_buffers *b = t->loop->tls;
    BIO_clear_retry_flags(bio);
    for (size_t done = 0, n; done < (size_t)len; done += n) {
        if (b->out_len == sizeof(b->out))
            flush(s);
        n = (size_t)len - done;
        if (n > sizeof(b->out) - b->out_len)
            n = sizeof(b->out) - b->out_len;
        memcpy(b->out + b->out_len, data + done, n);
        b->out_len += n;
    }
    return t->dead == 0 ? len : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    const struct tls *t = tls_of(BIO_get_data(bio));
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1; /* the operation does it at its end */
    case BIO_CTRL_EOF:
        return t->eof;
    default:
        return 0;
    }
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static void init_once(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "duet");
    if (method == NULL)
        return;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

/* Sees the peer's KeyUpdates and our own alerts, which refuse its renegotiations; both cost us more than the peer. */
static void watch_messages(int ours, int version, int type, const void *data, size_t len, SSL *ssl, void *arg)
{
    (void)version, (void)ssl;
    struct stream *s = arg;
    struct tls *t = tls_of(s);
    bool update = !ours && type == SSL3_RT_HANDSHAKE && len > 0 && *(const unsigned char *)data == SSL3_MT_KEY_UPDATE;
    if (!update && !(ours && type == SSL3_RT_ALERT))
        return;
    if (t->updates == 0 || t->loop->now_ms - t->updates_since_ms >= MINUTE_MS) {
        t->updates_since_ms = t->loop->now_ms;
        t->updates = 0;
    }
    if (++t->updates > UPDATES_MOST)
        die(t, DUET_ERR_POLICY);
}

static bool have_buffers(duet_loop *l)
{
    if (l->tls == NULL) {
        l->tls = mem_alloc(sizeof(*l->tls));
        if (l->tls != NULL)
            l->tls->in_at = l->tls->in_len = l->tls->out_len = 0;
    }
    return l->tls != NULL;
}

int stream_tls_start(struct stream *s, duet_loop *loop, SSL *ssl)
{
    pthread_once(&once, init_once);
    struct tls *t = mem_zalloc(sizeof(*t));
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (ssl == NULL || t == NULL || bio == NULL || !have_buffers(loop)) {
        BIO_free(bio);
        mem_free(t);
        SSL_free(ssl);
        return DUET_ERR_NOMEM;
    }
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_msg_callback(ssl, watch_messages);
    SSL_set_msg_callback_arg(ssl, s);
    t->kind = (struct stream_kind){ .ops = &stream_tls_ops, .tls = true };
    t->ssl = ssl;
    t->loop = loop;
    s->as = &t->kind;
    return 0;
}

const char *stream_tls_reason(const struct stream *s)
{
    return tls_of(s)->reason;
}

bool stream_tls_resumed(const struct stream *s)
{
    return s->as->tls && SSL_session_reused(tls_of(s)->ssl);
}

static void begin(struct stream *s, size_t wanted)
{
    struct tls *t = tls_of(s);
    t->dry = false;
    t->wanted = wanted;
    ERR_clear_error(); /* SSL_get_error() looks at what anyone on this thread left */
}

/* Leaves the loop's buffers empty. */
static void settle(struct stream *s)
{
    struct tls *t = tls_of(s);
    struct tls_buffers *b = t->loop->tls;
    if (b->in_at < b->in_len && t->dead == 0 && !waiting_add(&t->ahead, b->in + b->in_at, b->in_len - b->in_at))
        die(t, DUET_ERR_NOMEM);
    b->in_at = b->in_len = 0;
    flush(s);
}

/* What a call of OpenSSL that did not succeed means, as a result of a read. */
static int failure(struct stream *s)
{
    struct tls *t = tls_of(s);
    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        t->ended = true;
        return 0;
    default:
        break;
    }
    unsigned long code = ERR_peek_error();
    if (code != 0 && t->dead == 0 && !t->eof)
        t->reason = ERR_reason_error_string(code);
    ERR_clear_error();
    flush(s); /* the alert that says so to the peer */
    die(t, t->eof ? DUET_ERR_EOF : DUET_ERR_TLS);
    return t->dead;
}

static int tls_handshake(struct stream *s, uint32_t *want)
{
    struct tls *t = tls_of(s);
    if (t->dead != 0)
        return t->dead;
    begin(s, RECORD);
    int rc = SSL_do_handshake(t->ssl);
    if (rc != 1)
        rc = failure(s);
    settle(s);
    if (t->dead != 0)
        return t->dead;
    if (rc == 0) /* close_notify in the middle */
        return t->dead = DUET_ERR_EOF;
    *want = LOOP_IN | (t->kept.data != NULL ? LOOP_OUT : 0);
    return rc == 1;
}

static ssize_t tls_read(struct stream *s, void *to, size_t size)
{
    struct tls *t = tls_of(s);
    t->untold = false;
    if (t->dead != 0 || t->ended)
        return t->dead;
    begin(s, size);
    size_t got = 0, n;
    int rc = -EAGAIN;
    while (got < size) {
        if (SSL_read_ex(t->ssl, (char *)to + got, size - got, &n) != 1) {
            rc = failure(s);
            break;
        }
        got += n;
    }
    settle(s);
    if (got == 0)
        return t->dead != 0 ? t->dead : rc;
    t->untold = t->dead != 0 || t->ended;
    return (ssize_t)got;
}

struct cursor {
    const struct iovec *iov;
    int count;
    size_t at;
};

static void cursor_move(struct cursor *c, size_t n)
{
    while (c->count > 0 && n >= c->iov->iov_len - c->at) {
        n -= c->iov->iov_len - c->at;
        c->iov++;
        c->count--;
        c->at = 0;
    }
    c->at += n;
}

/* The bytes of the next record: straight from the caller where they lie together, else gathered. */
static size_t next_record(struct cursor *c, unsigned char *gathered, const void **from)
{
    cursor_move(c, 0);
    if (c->count == 0)
        return 0;
    *from = (const char *)c->iov->iov_base + c->at;
    if (c->count == 1 || c->iov->iov_len - c->at >= RECORD)
        return c->iov->iov_len - c->at < RECORD ? c->iov->iov_len - c->at : RECORD;
    struct cursor ahead = *c;
    size_t have = 0;
    while (ahead.count > 0 && have < RECORD) {
        size_t n = ahead.iov->iov_len - ahead.at;
        if (n > RECORD - have)
            n = RECORD - have;
        if (n > 0)
            memcpy(gathered + have, (const char *)ahead.iov->iov_base + ahead.at, n);
        have += n;
        cursor_move(&ahead, n);
    }
    *from = gathered;
    return have;
}

static ssize_t tls_write(struct stream *s, const struct iovec *iov, int count)
{
    struct tls *t = tls_of(s);
    struct tls_buffers *b = t->loop->tls;
    struct cursor c = { .iov = iov, .count = count };
    size_t taken = 0, len, n;
    const void *from;
    if (t->dead != 0)
        return t->dead;
    begin(s, 0);
    flush(s);
    if (t->kept.data != NULL)
        return -EAGAIN;
    while (t->dead == 0 && t->kept.data == NULL && (len = next_record(&c, b->plain, &from)) > 0) {
        if (SSL_write_ex(t->ssl, from, len, &n) != 1) {
            failure(s);
            break;
        }
        cursor_move(&c, n);
        taken += n;
        if (b->out_len >= OUT)
            flush(s);
    }
    settle(s);
    return t->dead != 0 ? t->dead : (ssize_t)taken;
}

static bool tls_pending(const struct stream *s)
{
    return tls_of(s)->kept.data != NULL;
}

static bool tls_buffered(const struct stream *s)
{
    const struct tls *t = tls_of(s);
    return t->untold || (t->dead == 0 && (t->ahead.data != NULL || SSL_pending(t->ssl) > 0));
}

static void tls_shutdown(struct stream *s)
{
    struct tls *t = tls_of(s);
    begin(s, 0);
    if (t->dead == 0 && SSL_is_init_finished(t->ssl))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
    t->shutting = true;
    settle(s);
}

static void tls_close(struct stream *s, int fd)
{
    struct tls *t = tls_of(s);
    /* OpenSSL would take a connection that was only lost for a reason not to resume its session; since TLS 1.1 it is
     * none. After an error of TLS itself it stays one. */
    if (t->dead != DUET_ERR_TLS)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN);
    SSL_free(t->ssl);
    waiting_free(&t->ahead);
    waiting_free(&t->kept);
    mem_free(t);
    s->as = &stream_tcp;
    close(fd);
}

const struct stream_ops stream_tls_ops = {
    .handshake = tls_handshake,
    .read = tls_read,
    .write = tls_write,
    .pending = tls_pending,
    .buffered = tls_buffered,
    .shutdown = tls_shutdown,
    .close = tls_close,
};
