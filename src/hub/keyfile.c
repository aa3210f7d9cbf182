/* SPDX-License-Identifier: MIT */
#include "hub/keyfile.h"
#include "hub/slurp.h"
#include <duet/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_MOST = 4096, KEYS_MOST = 256 * 1024 };

int keyfile_count(const struct keyfile *from)
{
    return (from->secret_file != NULL) + (from->secret_env != NULL) + (from->pem_file != NULL) +
           (from->jwks_file != NULL);
}

static int wrong(char why[HUB_KEYS_WHY], const char *where, const char *what)
{
    char said[HUB_KEYS_WHY];
    snprintf(said, sizeof(said), "%s", what);
    snprintf(why, HUB_KEYS_WHY, "%.80s: %.110s", where, said);
    return DUET_ERR_INVALID;
}

static int from_env(struct hub_keys **out, const char *name, char why[HUB_KEYS_WHY])
{
    const char *secret = getenv(name);
    if (secret == NULL)
        return wrong(why, name, "there is no such variable in the environment");
    int rc = hub_keys_secret(out, secret, strlen(secret), why);
    return rc < 0 ? wrong(why, name, why) : 0;
}

typedef int reader(struct hub_keys **out, const char *bytes, size_t len, char why[HUB_KEYS_WHY]);

static int read_secret(struct hub_keys **out, const char *bytes, size_t len, char why[HUB_KEYS_WHY])
{
    return hub_keys_secret(out, bytes, slurp_secret_len(bytes, len), why);
}

static int from_file(struct hub_keys **out, const char *path, size_t most, reader *read, char why[HUB_KEYS_WHY])
{
    char *bytes;
    size_t len;
    int rc = slurp(&bytes, &len, path, most);
    if (rc < 0)
        return wrong(why, path, duet_strerror(rc));
    rc = read(out, bytes, len, why);
    slurp_wipe(bytes, len);
    return rc < 0 ? wrong(why, path, why) : 0;
}

int keyfile_load(struct hub_keys **out, const struct keyfile *from, char why[HUB_KEYS_WHY])
{
    if (keyfile_count(from) != 1)
        return wrong(why, "keys", "exactly one of a secret, a key in PEM and a JWKS says what tokens are signed with");
    int rc = from->secret_env    ? from_env(out, from->secret_env, why)
             : from->secret_file ? from_file(out, from->secret_file, SECRET_MOST, read_secret, why)
             : from->pem_file    ? from_file(out, from->pem_file, KEYS_MOST, hub_keys_pem, why)
                                 : from_file(out, from->jwks_file, KEYS_MOST, hub_keys_jwks, why);
    if (rc < 0 || from->algorithms == 0 || hub_keys_only(*out, from->algorithms))
        return rc;
    hub_keys_free(*out);
    *out = NULL;
    wrong(why, "algorithms", "none of them is one that the key takes");
    return DUET_ERR_STATE;
}
