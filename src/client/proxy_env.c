/* SPDX-License-Identifier: MIT */
#include "client/proxy_env.h"
#include "http/bypass.h"
#include <stdlib.h>
#include <string.h>

/* The first that is set; the list ends with NULL. */
static const char *first_of(const char *const *names, const char **name)
{
    for (; *names != NULL; names++) {
        const char *value = secure_getenv(*names);
        if (value != NULL && value[0] != 0) {
            *name = *names;
            return value;
        }
    }
    return NULL;
}

const char *proxy_env(const struct http_url *url, const char **name)
{
    static const char *const none[] = { "no_proxy", "NO_PROXY", NULL };
    static const char *const secure[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL };
    /* Not HTTP_PROXY: in a CGI program that is what the request's field `Proxy` said, so anybody's (httpoxy,
     * CVE-2016-5385). */
    static const char *const plain[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
    const char *list = first_of(none, name);
    if (list != NULL && http_bypass_holds((struct http_text){ list, strlen(list) }, url->host, url->port))
        return NULL;
    return first_of(url->secure ? secure : plain, name);
}
