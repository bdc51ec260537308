/* The Forwarded header (RFC 7239). Pure. */
#ifndef MR_FORMAT_FORWARDED_H
#define MR_FORMAT_FORWARDED_H

#include "base/arena.h"
#include "base/str.h"

/*
 * What it says of clients, as a list like X-Forwarded-For's, for mr_ip_client(): the `for`
 * of each element, its quotes undone; "?" for an element without one, and for what is no
 * such element. Names, as "unknown" and "_hidden", stay, and are no addresses.
 * p == NULL: no memory, or header.p is.
 */
struct mr_str mr_forwarded_for(struct mr_arena *arena, struct mr_str header);

#endif
