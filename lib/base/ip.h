/*
 * IP addresses: text, PostgreSQL's inet, CIDR blocks, and which address in an
 * X-Forwarded-For chain is the client's. Pure; holds no state.
 */
#ifndef MR_BASE_IP_H
#define MR_BASE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* What is kept of a client's address. */
enum mr_ip_privacy { MR_IP_KEEP, MR_IP_TRUNCATE, MR_IP_DROP };

struct mr_ip {
	uint8_t family;   /* 0: none, 4 or 6 */
	uint8_t bytes[16]; /* network order; 4 used for IPv4 */
};

#define MR_IP_TEXT 46 /* INET6_ADDRSTRLEN */

struct mr_ip_block {
	struct mr_ip ip;
	uint8_t bits; /* length of the prefix */
};

/*
 * Reads "192.0.2.1", "2001:db8::1", "[2001:db8::1]:443", "192.0.2.1:80" and
 * IPv4-mapped IPv6 (as IPv4). Surrounding blanks are allowed; zones are not.
 */
bool mr_ip_parse(struct mr_str s, struct mr_ip *ip);

/* Reads an address, or a block with its prefix length ("10.0.0.0/8"). */
bool mr_ip_block_parse(struct mr_str s, struct mr_ip_block *block);

bool mr_ip_in(const struct mr_ip *ip, const struct mr_ip_block *blocks, size_t n);
bool mr_ip_is_loopback(const struct mr_ip *ip);
/*
 * The bytes of it that name who has it: all of IPv4, of IPv6 the /64 that one gets as a
 * whole. They point into *ip.
 */
struct mr_str mr_ip_owner(const struct mr_ip *ip);

void mr_ip_format(const struct mr_ip *ip, char text[MR_IP_TEXT]);

/*
 * The client of a request: the peer, unless the peer is a trusted proxy; then
 * X-Forwarded-For is read from the right and the first address that is not
 * itself trusted wins. An empty entry is none; one that is no address ends the
 * search: the last good address before it counts. forwarded.p == NULL: no such
 * header.
 */
struct mr_ip mr_ip_client(const struct mr_ip *peer, struct mr_str forwarded,
    const struct mr_ip_block *trusted, size_t n_trusted);

/*
 * Whether that client is surely the machine itself: an entry that is no address could be
 * anybody, and so could be who an untrusted proxy on this machine asks for.
 */
bool mr_ip_client_is_loopback(const struct mr_ip *peer, struct mr_str forwarded,
    const struct mr_ip_block *trusted, size_t n_trusted);

/* Applies [privacy] anonymize_ip: IPv4 to /24, IPv6 to /48, or no address. */
void mr_ip_anonymize(struct mr_ip *ip, enum mr_ip_privacy how);

#endif
