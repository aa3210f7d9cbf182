/* SPDX-License-Identifier: MIT */
/* What clients share. Each of them holds it, so it stays while one is there; one that was given none has its own. */
#include "client/client.h"
#include "base/mem.h"
#include <string.h>

enum { POOL_CHUNKS = 1024 };

int duet_client_group_new(duet_client_group **out, duet_loop *loop)
{
    duet_client_group *g = mem_zalloc(sizeof(*g));
    if (g == NULL)
        return DUET_ERR_NOMEM;
    g->loop = loop;
    g->refs = 1;
    g->pool.most = POOL_CHUNKS;
    *out = g;
    return 0;
}

duet_client_group *group_ref(duet_client_group *g)
{
    g->refs++;
    return g;
}

void duet_client_group_free(duet_client_group *g)
{
    if (g == NULL || --g->refs > 0)
        return;
    chunk_pool_fini(&g->pool);
    X509_STORE_free(g->trust);
    explicit_bzero(&g->random, sizeof(g->random));
    mem_free(g->ca);
    mem_free(g);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* The first that is read is kept. Without memory for its name it is nobody else's. */
static void keep_trust(duet_client_group *g, SSL_CTX *tls, const char *ca)
{
    char *name = ca ? mem_strdup(ca) : NULL;
    if (ca != NULL && name == NULL)
        return;
    g->ca = name;
    g->trust = SSL_CTX_get_cert_store(tls);
    X509_STORE_up_ref(g->trust);
}

/* The contexts are not shared: each keeps the session of its own client. */
int group_tls(duet_client_group *g, SSL_CTX **out, const struct tls_client_options *o, char *why)
{
    struct tls_client_options with = *o;
    if (!o->insecure && g->trust != NULL && same(g->ca, o->ca))
        with.trust = g->trust;
    int rc = tls_client_new(out, &with, why);
    if (rc == 0 && !o->insecure && g->trust == NULL)
        keep_trust(g, *out, o->ca);
    return rc;
}
