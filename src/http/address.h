/* SPDX-License-Identifier: MIT */
/*
 * IP addresses and networks as values. IPv4 is kept in its IPv6 form (::ffff:a.b.c.d), so that a peer that an IPv6
 * socket shows in that form and the same peer in plain IPv4 are equal.
 */
#ifndef HTTP_ADDRESS_H
#define HTTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_address {
    uint8_t bytes[16];
};

struct http_network {
    struct http_address base;
    uint8_t bits; /* of 128 */
};

struct http_networks {
    const struct http_network *list;
    size_t count;
};

enum { HTTP_ADDRESS_TEXT = 46, HTTP_ADDRESS_PORT_TEXT = 54 }; /* room for any address as text, also with its port */

/* "192.0.2.1", "2001:db8::1". No ports, brackets or zones. */
bool http_address_parse(const char *s, size_t len, struct http_address *address);

/* The same as a proxy may write it: "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80" too. */
bool http_address_parse_hop(const char *s, size_t len, struct http_address *address);

/* From the 4 or 16 bytes of the wire's form. */
void http_address_from_ipv4(const uint8_t bytes[4], struct http_address *address);

/* As text, IPv4 in its own form. */
void http_address_format(const struct http_address *address, char out[HTTP_ADDRESS_TEXT]);

/* The same with its port: "192.0.2.1:80", "[2001:db8::1]:80". */
void http_address_format_port(const struct http_address *address, unsigned port, char out[HTTP_ADDRESS_PORT_TEXT]);

/* "10.0.0.0/8", "fd00::/8", or an address alone, which is a network of one. False when it is malformed, the prefix
 * is out of range, or bits behind the prefix are set ("10.1.0.0/8": a mistake more often than not). */
bool http_network_parse(const char *s, size_t len, struct http_network *network);

/* The same, but bits behind the prefix are cleared. */
bool http_network_parse_wide(const char *s, size_t len, struct http_network *network);

/* Whether one of the networks holds the address. */
bool http_networks_hold(struct http_networks networks, const struct http_address *address);

#endif
