/* SPDX-License-Identifier: MIT */
#include "http/bypass.h"
#include "http/address.h"
#include "http/host.h"
#include <string.h>
#include <strings.h>

static bool parts(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next element, which *list is moved past. False: there is none. */
static bool next_element(struct http_text *list, struct http_text *element)
{
    size_t from = 0, to;
    while (from < list->len && parts(list->at[from]))
        from++;
    for (to = from; to < list->len && !parts(list->at[to]);)
        to++;
    *element = (struct http_text){ list->at + from, to - from };
    *list = (struct http_text){ list->at + to, list->len - to };
    return element->len > 0;
}

/* "example.com." is the same name. */
static struct http_text without_last_dot(struct http_text name)
{
    if (name.len > 1 && name.at[name.len - 1] == '.')
        name.len--;
    return name;
}

/* The name, which is not empty, itself, or one below it. */
static bool is_below(struct http_text host, struct http_text name)
{
    if (*name.at == '.')
        name = (struct http_text){ name.at + 1, name.len - 1 };
    name = without_last_dot(name);
    host = without_last_dot(host);
    if (name.len == 0 || name.len > host.len)
        return false;
    size_t more = host.len - name.len;
    return strncasecmp(host.at + more, name.at, name.len) == 0 && (more == 0 || host.at[more - 1] == '.');
}

static bool address_is_in(const struct http_address *address, struct http_text element, uint16_t port)
{
    struct http_network network;
    struct http_address same;
    struct http_host host;
    if (http_network_parse_wide(element.at, element.len, &network))
        return http_networks_hold((struct http_networks){ &network, 1 }, address);
    return http_host_parse(element.at, element.len, &host) && (!host.has_port || host.port == port) &&
           http_address_parse(host.name.at, host.name.len, &same) && memcmp(&same, address, sizeof(same)) == 0;
}

static bool name_is_in(struct http_text name, struct http_text element, uint16_t port)
{
    struct http_host host;
    return http_host_parse(element.at, element.len, &host) && (!host.has_port || host.port == port) &&
           is_below(name, host.name);
}

bool http_bypass_holds(struct http_text list, struct http_text name, uint16_t port)
{
    struct http_text element;
    struct http_address address;
    bool by_ip = http_address_parse(name.at, name.len, &address);
    while (next_element(&list, &element)) {
        if (element.len == 1 && *element.at == '*')
            return true;
        if (by_ip ? address_is_in(&address, element, port) : name_is_in(name, element, port))
            return true;
    }
    return false;
}
