/* SPDX-License-Identifier: MIT */
/*
 * What OpenSSL alone takes for a server's side of TLS 1.3: to read a message and write its echo, and for a handshake,
 * whole and resumed. Both sides are in this thread with buffers in memory between them, no system call is counted, and
 * of the server's side alone the CPU time is. The settings are libduet's (src/net/tls.c).
 *
 *     bench_openssl CERT KEY     prints NAME=NANOSECONDS, the median of many, and memory=BYTES of one that is idle
 */
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LARGE = 16 * 1024, HEAD_IN = 8, BATCHES = 400, HANDSHAKES = 400, ROOM = 64 * 1024 };

struct pair {
    SSL *client, *server;
};

static SSL_CTX *of_client, *of_server;
static SSL_SESSION *ticket;
static char room[ROOM];
static size_t given_back;

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void must(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "bench_openssl: %s\n", what);
        exit(1);
    }
}

static void *take(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return malloc(size);
}

static void *take_again(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return realloc(old, size);
}

/* As glibc rounds it up, with its own eight bytes. */
static void give_back(void *old, const char *file, int line)
{
    (void)file, (void)line;
    given_back += old != NULL ? malloc_usable_size(old) + sizeof(size_t) : 0;
    free(old);
}

static int larger(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static uint64_t median(uint64_t *all, size_t count)
{
    qsort(all, count, sizeof(*all), larger);
    return all[count / 2];
}

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static void make_contexts(const char *cert, const char *key)
{
    of_server = SSL_CTX_new(TLS_server_method());
    of_client = SSL_CTX_new(TLS_client_method());
    must(of_server != NULL && of_client != NULL, "out of memory");
    must(SSL_CTX_use_certificate_chain_file(of_server, cert) == 1, cert);
    must(SSL_CTX_use_PrivateKey_file(of_server, key, SSL_FILETYPE_PEM) == 1, key);
    SSL_CTX_set_options(of_server, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(of_server, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_session_cache_mode(of_server, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(of_server, 1);
    SSL_CTX_set_session_cache_mode(of_client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(of_client, keep_ticket);
}

/* The server's side of what remains to be done until both are open: ns of CPU. */
static uint64_t shake(struct pair *p)
{
    uint64_t spent = 0;
    while (!SSL_is_init_finished(p->client) || !SSL_is_init_finished(p->server)) {
        SSL_do_handshake(p->client);
        uint64_t began = cpu_ns();
        SSL_do_handshake(p->server);
        spent += cpu_ns() - began;
    }
    SSL_read(p->client, room, sizeof(room)); /* the ticket */
    return spent;
}

static uint64_t open_pair(struct pair *p, SSL_SESSION *resume)
{
    BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
    must(to_server != NULL && to_client != NULL, "out of memory");
    BIO_set_mem_eof_return(to_server, -1);
    BIO_set_mem_eof_return(to_client, -1);
    BIO_up_ref(to_server);
    BIO_up_ref(to_client);
    p->client = SSL_new(of_client);
    must(p->client != NULL && (resume == NULL || SSL_set_session(p->client, resume) == 1), "no session");
    SSL_set_connect_state(p->client);
    SSL_set_bio(p->client, to_client, to_server);
    uint64_t began = cpu_ns();
    p->server = SSL_new(of_server);
    must(p->server != NULL, "out of memory");
    SSL_set_accept_state(p->server);
    SSL_set_bio(p->server, to_server, to_client);
    uint64_t spent = cpu_ns() - began + shake(p);
    must(SSL_session_reused(p->server) == (resume != NULL), "resumed, or not, other than it should");
    must(SSL_version(p->server) == TLS1_3_VERSION, "not TLS 1.3");
    return spent;
}

/* As if a Close had been sent: else OpenSSL resumes no such session again. */
static uint64_t close_pair(struct pair *p)
{
    SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN);
    SSL_free(p->client);
    uint64_t began = cpu_ns();
    SSL_free(p->server);
    return cpu_ns() - began;
}

/* What goes when the server's side goes, after a handshake and an echo: the buffers between them stay for the other. */
static size_t memory(struct pair *p)
{
    given_back = 0;
    SSL_free(p->server);
    size_t bytes = given_back;
    SSL_free(p->client);
    return bytes;
}

static uint64_t handshakes(bool resumed)
{
    static uint64_t each[HANDSHAKES];
    for (size_t i = 0; i < HANDSHAKES; i++) {
        struct pair p;
        SSL_SESSION *with = resumed ? ticket : NULL;
        ticket = resumed ? NULL : ticket;
        each[i] = open_pair(&p, with);
        each[i] += close_pair(&p);
        SSL_SESSION_free(with);
    }
    return median(each, HANDSHAKES);
}

/* A masked frame of so many bytes comes in, one that is not masked goes out; `batch` of them wait at a time. */
static uint64_t echoes(struct pair *p, size_t size, unsigned batch)
{
    static uint64_t each[BATCHES];
    static char data[LARGE + HEAD_IN];
    size_t head = size < 126 ? 2 : 4, in = size + head + 4, out = size + head;
    for (size_t i = 0; i < BATCHES; i++) {
        for (unsigned k = 0; k < batch; k++)
            must(SSL_write(p->client, data, (int)in) == (int)in, "SSL_write");
        uint64_t began = cpu_ns();
        for (unsigned k = 0; k < batch; k++) {
            for (size_t got = 0; got < in;) {
                int n = SSL_read(p->server, room, sizeof(room));
                must(n > 0, "SSL_read");
                got += (size_t)n;
            }
            for (size_t put = 0; put < out;) {
                int n = SSL_write(p->server, data, (int)(out - put));
                must(n > 0, "SSL_write");
                put += (size_t)n;
            }
        }
        each[i] = (cpu_ns() - began) / batch;
        while (SSL_read(p->client, room, sizeof(room)) > 0) {
        }
    }
    return median(each, BATCHES);
}

int main(int argc, char **argv)
{
    struct pair p;
    if (argc != 3) {
        fprintf(stderr, "Usage: %s CERT KEY\n", argv[0]);
        return 2;
    }
    must(CRYPTO_set_mem_functions(take, take_again, give_back) == 1, "OpenSSL has memory already");
    make_contexts(argv[1], argv[2]);
    open_pair(&p, NULL);
    printf("echo_20=%llu\n", (unsigned long long)echoes(&p, 20, 64));
    printf("echo_16k=%llu\n", (unsigned long long)echoes(&p, LARGE, 4));
    printf("memory=%zu\n", memory(&p));
    printf("full=%llu\n", (unsigned long long)handshakes(false));
    printf("resumed=%llu\n", (unsigned long long)handshakes(true));
    SSL_SESSION_free(ticket);
    SSL_CTX_free(of_client);
    SSL_CTX_free(of_server);
    return 0;
}
